"""Tasks through the REST API of a real worker: their whole life, and what they log."""

from __future__ import annotations

import httpx
import pytest

from headwater.worker.cluster.standalone import Standalone
from tests.rest_worker import error, states, wait_for


def test_a_connectors_life(client: httpx.Client, config: dict[str, str]) -> None:
    created = client.post("/connectors", json={"name": "one", "config": config, "initial_state": "STOPPED"})
    assert created.status_code == 201 and created.headers["location"] == str(client.base_url.join("/connectors/one"))
    expected = {"name": "one", "config": {**config, "name": "one"}, "tasks": [], "type": "sink"}
    assert created.json() == expected
    assert (
        error(client.post("/connectors", json={"name": "one", "config": config}), 409) == "Connector one already exists"
    )
    assert client.get("/connectors").json() == ["one"] and client.get("/connectors/").json() == ["one"]
    both = client.get("/connectors?expand=status&expand=info").json()
    assert both["one"]["info"] == expected and both["one"]["status"]["connector"]["state"] == "STOPPED"
    assert client.get("/connectors/one/config").json() == {**config, "name": "one"}
    assert client.put("/connectors/one/resume").status_code == 202
    wait_for(lambda: states(client, "one") == ["RUNNING"])
    assert client.get("/connectors/one").json()["tasks"] == [{"connector": "one", "task": 0}]
    tasks = client.get("/connectors/one/tasks").json()
    assert tasks == [{"id": {"connector": "one", "task": 0}, "config": {**config, "name": "one"}}]
    assert client.get("/connectors/one/tasks/0/status").json()["state"] == "RUNNING"
    error(client.get("/connectors/one/tasks/7/status"), 404)
    whole = [{"partition": {"kafka_topic": "items", "kafka_partition": 0}, "offset": {"kafka_offset": 20}}]
    wait_for(lambda: client.get("/connectors/one/offsets").json() == {"offsets": whole})
    wait_for(lambda: client.get("/connectors/one/topics").json() == {"one": {"topics": ["items"]}})
    assert client.put("/connectors/one/topics/reset").status_code == 202
    assert client.put("/connectors/one/pause").status_code == 202
    wait_for(lambda: states(client, "one") == ["PAUSED"])
    assert client.post("/connectors/one/restart").status_code == 204
    restarted = client.post("/connectors/one/restart?includeTasks=true")
    assert restarted.status_code == 202 and restarted.json()["name"] == "one"
    assert "must be stopped" in error(client.delete("/connectors/one/offsets"), 400)
    assert client.put("/connectors/one/stop").status_code == 204
    wait_for(lambda: states(client, "one") == [])
    assert client.delete("/connectors/one").status_code == 204
    assert error(client.get("/connectors/one/status"), 404) == "No status found for connector one"


def test_levels_of_loggers(
    worker: Standalone, client: httpx.Client, view: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """They hold for the worker and for the processes of its tasks."""
    name = "headwater.worker.runtime.sink_loop"

    said: list[str] = []

    def process() -> int | None:
        return next((task["pid"] for task in worker.snapshot() if task["connector"] == view), None)

    def restart() -> None:
        before = process()
        assert client.post(f"/connectors/{view}/tasks/0/restart").status_code == 204
        wait_for(lambda: process() not in (None, before) and states(client, view) == ["RUNNING"])

    def heard(text: str) -> bool:
        said.append(capfd.readouterr().err)
        return text in "".join(said)

    restart()
    wait_for(lambda: heard(f"[{view} task 0] sink_loop: reading"))
    changed = client.put(f"/admin/loggers/{name}", json={"level": "trace"})
    assert changed.status_code == 200 and changed.json() == [name]
    shown = client.get("/admin/loggers").json()
    assert shown[name]["level"] == "TRACE" and shown[name]["last_modified"] > 0
    assert error(client.get("/admin/loggers/never.heard.of"), 404) == "Logger never.heard.of not found."
    assert error(client.put(f"/admin/loggers/{name}", json={"level": "LOUD"}), 404) == "invalid log level 'LOUD'."
    assert "was not specified" in error(client.put(f"/admin/loggers/{name}", json={}), 400)
    assert client.put(f"/admin/loggers/{name}?scope=cluster", json={"level": "OFF"}).status_code == 204
    assert client.get(f"/admin/loggers/{name}").json()["level"] == "OFF"
    said.clear()
    capfd.readouterr()
    restart()
    wait_for(lambda: client.get(f"/connectors/{view}/topics").json()[view]["topics"])
    assert not heard("sink_loop")
