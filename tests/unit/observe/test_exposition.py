"""What Prometheus reads, read back with the parsers of its own client library."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from headwater.worker.observe.connect_metrics import ATTRIBUTES
from headwater.worker.observe.exposition import exposition
from headwater.worker.observe.metrics import TaskMetrics
from headwater.worker.observe.observed import Observed, Starts
from headwater.worker.observe.rebalances import Rebalances

PAGE = Path(__file__).parents[3] / "docs/metrics.md"
OPEN_METRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1"


def task(number: int = 0, kind: str = "sink", generation: int = 1, **more: Any) -> dict[str, Any]:
    metrics = TaskMetrics(records_in=10, records_sent=9, records_out=8, lag=5, lag_max=4, partitions=2)
    for window in (metrics.read_ms, metrics.write_ms, metrics.commit_ms, metrics.batch_records, metrics.queued):
        window.add(3)
    metrics.transaction_records.add(3)
    metrics.latency.add(0, 300)
    metrics.latency.add(0, 99_000_000)
    metrics.as_dict()
    told = metrics.as_dict()
    return {
        "connector": 'a "quoted" name', "task": number, "generation": generation, "state": "RUNNING",
        "stalled": None, "pid": 12, "memory_bytes": 1000, "memory_max_bytes": None, "cpu_s": 1.5, "restarts": 2,
        "uptime_s": 9.0, "shares": {"RUNNING": 0.75, "PAUSED": 0.25}, "plugin": {"kind": kind, "version": "1.2"},
        "measured": told.pop("measured"), "metrics": told, "progress": [],
    } | more  # fmt: skip


JOB = {"job": "a", "pid": 13, "progress": [{"stage": "replay", "done": 5, "total": 20, "rate": 2.5, "eta_s": 6.0}]}


def look(*processes: dict[str, Any]) -> Observed:
    connector = {"name": 'a "quoted" name', "type": "sink", "state": "PAUSED", "class": "TableSink"}
    rebalances = Rebalances()
    rebalances.see(3, "http://leader:8083/", "sessioned")
    starts = {"connector": Starts(2, 2, 0), "task": Starts(3, 2, 1)}
    return Observed("1.0", "here:8083", [connector], processes, starts, rebalances.as_dict())


def samples(observed: Observed) -> dict[str, list[tuple[dict[str, str], float]]]:
    text, content_type = exposition(observed)
    assert content_type.startswith("text/plain; version=0.0.4")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in parse_text(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_both_formats_say_the_same() -> None:
    observed = look(task(), task(1, "source"), JOB)
    text, content_type = exposition(observed, OPEN_METRICS)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    names = {sample.name for family in parse_open_metrics(text.decode()) for sample in family.samples}
    assert names == set(samples(observed))


def test_names_and_labels_are_those_of_dashboards() -> None:
    found = samples(look(task(), task(1, "source")))
    labels = {"connector": 'a "quoted" name', "task": "0", "generation": "1"}
    assert found["kafka_connect_sink_task_metrics_sink_record_read_total"] == [(labels, 10)]
    assert found["kafka_connect_sink_task_metrics_sink_record_lag_max"] == [(labels, 4)]
    assert found["kafka_connect_source_task_metrics_source_record_poll_total"] == [({**labels, "task": "1"}, 10)]
    assert found["kafka_connect_connector_task_metrics_running_ratio"][0] == (labels, 0.75)
    (connector,) = found["kafka_connect_connector_metrics_status_info"]
    assert connector == ({"connector": 'a "quoted" name', "status": "paused"}, 1)
    assert found["kafka_connect_connect_worker_metrics_task_startup_success_percentage"][0][1] == 2 / 3
    assert found["kafka_connect_connect_worker_rebalance_metrics_epoch"] == [({}, 3)]
    assert found["headwater_task_memory_bytes"][0] == (labels, 1000)
    buckets = {labels["le"]: value for labels, value in found["headwater_latency_seconds_bucket"][:16]}
    assert (buckets["0.25"], buckets["0.5"], buckets["+Inf"]) == (0, 1, 2)


def test_every_attribute_has_a_sample() -> None:
    found = samples(look(task(), task(1, "source")))
    assert not {attribute.full_name for attribute in ATTRIBUTES} - set(found)


def test_states() -> None:
    stalled, failed = task(0, stalled="nothing was done"), task(1, state="FAILED", pid=None, memory_bytes=None)
    found = samples(look(stalled, failed))
    states = {
        labels["task"]: labels["status"] for labels, _ in found["kafka_connect_connector_task_metrics_status_info"]
    }
    assert states == {"0": "stalled", "1": "failed"}
    assert [value for _, value in found["headwater_task_stalled"]] == [1, 0]
    assert [value for _, value in found["headwater_task_failed"]] == [0, 1]
    counted = "kafka_connect_connect_worker_metrics_connector_{}_task_count"
    assert found[counted.format("failed")][0][1] == 1 and found[counted.format("running")][0][1] == 0


def test_what_does_not_run_shows_no_figures_of_the_moment() -> None:
    found = samples(look(task(pid=None, memory_bytes=None, cpu_s=None)))
    assert "kafka_connect_sink_task_metrics_sink_record_read_rate" not in found
    assert "headwater_task_lag_records" not in found and "headwater_task_memory_bytes" not in found
    assert found["kafka_connect_sink_task_metrics_sink_record_read_total"][0][1] == 10


def test_lag_of_a_slot_and_progress_of_a_rebuild() -> None:
    lag = {"stage": "stream", "lag": {"slot_bytes": 512.0, "slot_seconds": 3.5}}
    found = samples(look(task(kind="source", progress=[lag]), JOB))
    assert found["headwater_replication_slot_lag_bytes"][0][1] == 512
    assert found["headwater_replication_slot_lag_seconds"][0][1] == 3.5
    assert found["headwater_rebuild_done"] == [({"view": "a"}, 5)]
    assert found["headwater_rebuild_eta_seconds"] == [({"view": "a"}, 6)]


def test_generations_of_a_view_are_series_of_their_own() -> None:
    found = samples(look(task(), task(generation=2)))
    assert [labels["generation"] for labels, _ in found["headwater_task_records_read_total"]] == ["1", "2"]


def test_a_worker_without_anything() -> None:
    found = samples(Observed("1.0", "here:8083"))
    assert found["kafka_connect_connect_worker_metrics_task_count"] == [({}, 0)]
    assert "kafka_connect_connect_worker_rebalance_metrics_epoch" not in found


def test_the_page_lists_all_of_them() -> None:
    named = set(re.findall(r"`((?:kafka_connect|headwater)_\w+)`", PAGE.read_text()))
    lag = {"stage": "stream", "lag": {"slot_bytes": 1.0, "slot_seconds": 1.0}}
    found = set(samples(look(task(memory_max_bytes=9, progress=[lag]), task(1, "source"), JOB)))
    shown = {name for name in found if not name.startswith("process_")}
    assert {re.sub(r"^(headwater_latency_seconds)_\w+$", r"\1", name) for name in shown} == named


def test_dashboard_and_alerts_ask_for_metrics_that_there_are() -> None:
    named = set(re.findall(r"`((?:kafka_connect|headwater)_\w+)`", PAGE.read_text()))
    board = json.loads((PAGE.parent / "grafana-dashboard.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [board["templating"]["list"][1]["query"], PAGE.read_text().partition("## Alerts")[2]]
    found = {re.sub(r"_bucket$", "", name) for name in re.findall(r"(?:kafka_connect|headwater)_\w+", "\n".join(asked))}
    assert len(found) > 15 and found <= named


def test_rebalances() -> None:
    now = [0.0]
    rebalances = Rebalances(lambda: now[0])
    assert rebalances.as_dict()["rebalancing"] and rebalances.as_dict()["since_last_s"] is None
    for generation in (1, 1, -1, 2):
        rebalances.see(generation, "http://a:8083/")
    now[0] = 2.5
    told = rebalances.as_dict()
    assert (told["completed"], told["epoch"], told["rebalancing"], told["since_last_s"]) == (2, 2, False, 2.5)
