"""The REST API of a real worker, over a real socket."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from headwater.worker.api import ConfigError, Fatal
from headwater.worker.cluster.standalone import Standalone
from headwater.worker.rest.server import Listener

from .conftest import states, wait_for


def error(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error_code", "message"} and body["error_code"] == status
    return str(body["message"])


def test_root_and_health(client: httpx.Client) -> None:
    assert set(client.get("/").json()) == {"version", "commit", "kafka_cluster_id"}
    assert client.get("/health").json()["status"] == "healthy"


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


def test_configs_are_put_and_patched(client: httpx.Client, config: dict[str, str]) -> None:
    stopped = {"name": "two", "config": config, "initial_state": "STOPPED"}
    client.post("/connectors", json=stopped)
    changed = client.put("/connectors/two/config", json={**config, "fields": "id,name"})
    assert changed.status_code == 200 and changed.json()["config"]["fields"] == "id,name"
    patched = client.patch("/connectors/two/config", json={"tasks.max": 2, "refuse": "x"})
    assert patched.status_code == 200 and patched.json()["config"]["tasks.max"] == "2"
    gone = client.patch("/connectors/two/config", json={"refuse": None}).json()["config"]
    assert "refuse" not in gone
    wrong = error(client.put("/connectors/two/config", json={**config, "feilds": "id", "tasks.max": "no"}), 400)
    assert wrong.startswith("Connector configuration is invalid and contains the following 2 error(s):")
    assert "did you mean fields?" in wrong and "tasks.max: must be a whole number" in wrong
    assert "doesn't match" in error(client.put("/connectors/two/config", json={**config, "name": "three"}), 400)
    client.delete("/connectors/two")


def test_secrets_are_not_shown(client: httpx.Client, worker: Standalone, config: dict[str, str]) -> None:
    given = {
        **config,
        "consumer.override.sasl.password": "t0psecret",
        "consumer.override.url": "http://me:t0psecret@example.com/x",
        "consumer.override.ssl.key.password": "${env:HOME}",
    }
    body = {"name": "hidden", "config": given, "initial_state": "STOPPED"}
    answer = client.post("/connectors", json=body)
    assert answer.status_code == 201, answer.text
    shown = client.get("/connectors/hidden/config").json()
    assert shown["consumer.override.sasl.password"] == "********"
    assert shown["consumer.override.url"] == "http://me:********@example.com/x"
    assert shown["consumer.override.ssl.key.password"] == "${env:HOME}"
    for path in ("", "/config", "/tasks", "/status"):
        assert "t0psecret" not in client.get(f"/connectors/hidden{path}").text
    assert "t0psecret" not in client.get("/connectors?expand=info").text
    # what was sent back as it was shown has not changed
    assert client.put("/connectors/hidden/config", json={**shown, "fields": "id,x"}).status_code == 200
    assert worker.config("hidden") == {**given, "name": "hidden", "fields": "id,x"}
    client.delete("/connectors/hidden")


@pytest.mark.parametrize(
    ("content", "kind", "status", "said"),
    [
        (b"{", "application/json", 400, "not JSON"),
        (b'{"name": "a", "name": "b"}', "application/json", 400, "name stands twice"),
        (b"[" * 70 + b"]" * 70, "application/json", 400, "nested more than"),
        (b"[" * 100_000, "application/json", 400, "nested"),
        (b'{"a": NaN}', "application/json", 400, "NaN is no JSON number"),
        (b"\xff\xfe", "application/json", 400, "not JSON"),
        (b"{}", "text/plain", 415, "HTTP 415 Unsupported Media Type"),
        (b"", "application/json", 400, "no body"),
        (b'"x"', "application/json", 400, "a connector is created from"),
        (b'{"name": "x", "config": {"a": [1]}}', "application/json", 400, "option a is neither"),
        (b'{"name": "x\\ud83d", "config": {}}', "application/json", 400, "half a character"),
        (b'{"name": "x", "config": {"a": "\\uDE00"}}', "application/json", 400, "half a character"),
        (b'{"name": "\\ud83d\\ude00", "config": 1}', "application/json", 400, "a config is a JSON object"),
        (b" " * (8 * 1024 * 1024 + 1), "application/json", 413, "larger than 8 MiB"),
    ],
)
def test_bad_bodies(client: httpx.Client, content: bytes, kind: str, status: int, said: str) -> None:
    answer = client.post("/connectors", content=content, headers={"Content-Type": kind})
    assert said in error(answer, status)


def test_unknown_paths_and_methods(client: httpx.Client) -> None:
    error(client.get("/nothing"), 404)
    wrong = client.put("/connectors", json={})
    assert error(wrong, 405) == "HTTP 405 Method Not Allowed" and wrong.headers["allow"] == "GET, HEAD, POST"
    error(client.get("/views/nothing"), 404)
    error(client.post("/views/nothing/rebuild", json={}), 404)


def test_pages_from_elsewhere_are_refused(client: httpx.Client) -> None:
    """DNS rebinding: a page's own name was made to point to 127.0.0.1."""
    error(client.get("/connectors", headers={"Host": "evil.example:8083"}), 403)
    assert client.get("/connectors", headers={"Host": "localhost:8083"}).status_code == 200
    error(client.post("/connectors", json={}, headers={"Origin": "http://evil.example"}), 403)


def test_plugins(client: httpx.Client, config: dict[str, str]) -> None:
    found = client.get("/connector-plugins").json()
    assert {"class": "SqliteView", "type": "sink", "version": "1.0"} in found
    assert {plugin["type"] for plugin in found} == {"source", "sink"}
    everything = client.get("/connector-plugins?connectorsOnly=false").json()
    assert {plugin["type"] for plugin in everything} == {
        "sink",
        "source",
        "transformation",
        "predicate",
        "converter",
        "header_converter",
    }
    keys = {key["name"]: key for key in client.get("/connector-plugins/SqliteView/config").json()}
    assert keys["fields"]["type"] == "LIST" and keys["fields"]["required"] and keys["tasks.max"]["default_value"] == "1"
    (regex, *_) = client.get("/connector-plugins/RegexRouter/config").json()
    assert regex["name"] == "regex" and regex["required"]
    assert error(client.get("/connector-plugins/Nothing/config"), 404) == "Unknown plugin Nothing."
    assert client.get("/connector-plugins/SqliteView/config?version=1.0").status_code == 200
    assert "installed in version 1.0" in error(client.get("/connector-plugins/SqliteView/config?version=2"), 400)
    url = "/connector-plugins/SqliteView/config/validate"
    right = client.put(url, json={"name": "x", **config}).json()
    assert right["error_count"] == 0 and right["name"] == "SqliteView"
    del config["path"]
    wrong = client.put(url, json={"name": "x", **config}).json()
    assert wrong["error_count"] == 1
    (path,) = [c["value"] for c in wrong["configs"] if c["value"]["name"] == "path"]
    assert path["errors"] == ["required and missing (The SQLite file.)"]
    assert "does not match" in error(client.put(url, json={**config, "connector.class": "PostgresSink"}), 400)


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


def test_a_view_is_rebuilt(client: httpx.Client, view: str, config: dict[str, str]) -> None:
    (listed,) = [one for one in client.get("/views").json() if one["name"] == view]
    assert listed["name"] == view and listed["generations"] == {"1": {"phase": "live"}} and listed["job"] is None
    assert "has never been rebuilt" in error(client.post(f"/views/{view}/rollback"), 409)
    assert "no job is running" in error(client.post(f"/views/{view}/abort"), 409)
    assert "unknown: kepe" in error(client.post(f"/views/{view}/rebuild", json={"kepe": "1h"}), 400)
    assert "is not a time" in error(client.post(f"/views/{view}/rebuild", json={"keep": "soon"}), 400)
    job = started(client.post(f"/views/{view}/rebuild", json={"config": {**config, "fields": "id,x"}, "keep": "1h"}))
    running = client.post(f"/views/{view}/verify")
    assert f"rebuild of {view} is running" in error(running, 409)
    assert ended(client, view, job)["outcome"] == "done"
    whole = client.get(f"/views/{view}").json()
    assert whole["current"] == 2 and whole["generations"]["1"]["phase"] == "kept"
    assert whole["generations"]["2"]["config"]["fields"] == "id,x"
    wait_for(lambda: client.get(f"/connectors/{view}/config").json()["fields"] == "id,x")
    wait_for(lambda: states(client, view) == ["RUNNING"])
    job = started(client.post(f"/views/{view}/verify", json={}))
    entry = ended(client, view, job)
    assert entry["outcome"] == "done" and entry["result"]["found"] == {"items": 20}
    job = started(client.post(f"/views/{view}/rollback", json={"keep": "0"}))
    assert ended(client, view, job)["outcome"] == "done"
    wait_for(lambda: list(client.get(f"/views/{view}").json()["generations"]) == ["1"])
    wait_for(lambda: client.get(f"/connectors/{view}/config").json()["fields"] == "id")


def test_a_rebuild_and_a_change_of_its_config_do_not_cross(
    client: httpx.Client, view: str, config: dict[str, str]
) -> None:
    """Whoever is second knows what the first one wrote: a config is refused, or is what the rebuild begins with."""
    changed = {**config, "fields": "id,x"}
    with ThreadPoolExecutor(2) as pool:
        rebuild = pool.submit(client.post, f"/views/{view}/rebuild", json={"keep": "1h"})
        put = pool.submit(client.put, f"/connectors/{view}/config", json=changed)
    entry = ended(client, view, started(rebuild.result()))
    assert entry["outcome"] == "done", entry
    fields = "id,x" if put.result().status_code == 200 else "id"
    assert put.result().status_code in (200, 409), put.result().text
    whole = client.get(f"/views/{view}").json()
    assert {number: one["config"]["fields"] for number, one in whole["generations"].items()} == {
        "1": fields,
        "2": fields,
    }
    wait_for(lambda: client.get(f"/connectors/{view}/config").json()["fields"] == fields)


def started(response: httpx.Response) -> str:
    assert response.status_code == 202, response.text
    return str(response.json()["job"]["id"])


def ended(client: httpx.Client, view: str, job: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def over() -> bool:
        last = client.get(f"/views/{view}/progress").json()["last"]
        if last is not None and last["id"] == job:
            found.append(last)
        return bool(found)

    wait_for(over, 40)
    return found[0]


def test_a_taken_port_is_an_error_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Fatal, match="Does another worker run there"):
            Listener(f"127.0.0.1:{taken.getsockname()[1]}")


@pytest.mark.parametrize("address", ["8083", "127.0.0.1", "127.0.0.1:many", "ftp://x:1", "http://x:1/path"])
def test_a_wrong_address(address: str) -> None:
    with pytest.raises(ConfigError, match="listeners"):
        Listener(address)
