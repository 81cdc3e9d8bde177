from __future__ import annotations

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.rest_worker import wait_for

PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


def test_prometheus_gets_the_format_that_it_asks_for(client: httpx.Client, view: str) -> None:
    plain = client.get("/metrics")
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    asked = client.get("/metrics", headers={"Accept": PROMETHEUS})
    assert asked.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in parse_open_metrics(asked.text)}
    assert "headwater_latency_seconds" in names and asked.text.endswith("# EOF\n")


def test_connectors_and_tasks_are_shown(client: httpx.Client, view: str) -> None:
    def found() -> dict[str, tuple[dict[str, str], float]]:
        families = parse_text(client.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        return {s.name: (s.labels, s.value) for s in samples if s.labels.get("connector") == view}

    wait_for(lambda: found().get("headwater_task_records_written_total", ({}, 0))[1] == 20)
    seen = found()
    assert seen["kafka_connect_connector_metrics_status_info"][0]["status"] == "running"
    assert seen["kafka_connect_connector_metrics_connector_class_info"][0]["connector_class"] == "SqliteView"
    assert seen["kafka_connect_connector_task_metrics_status_info"][0]["task"] == "0"
    assert seen["kafka_connect_sink_task_metrics_sink_record_send_total"][1] == 20
    wait_for(lambda: "headwater_task_memory_bytes" in found())


def test_the_status_shows_what_a_task_takes(client: httpx.Client, view: str) -> None:
    def use() -> tuple[int, float] | None:
        (task,) = client.get(f"/connectors/{view}/status").json()["tasks"]
        return task["memory_bytes"] and (task["memory_bytes"], task["cpu_s"])

    wait_for(lambda: use() is not None)
    memory_bytes, cpu_s = use() or (0, 0.0)
    assert memory_bytes > 1_000_000 and cpu_s > 0
