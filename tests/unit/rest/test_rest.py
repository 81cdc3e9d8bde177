"""The REST API of a real worker, over a real socket."""

from __future__ import annotations

import socket

import httpx
import pytest

from headwater.worker.api import ConfigError, Fatal
from headwater.worker.cluster.standalone import Standalone
from headwater.worker.rest.server import Listener
from tests.rest_worker import error


def test_root_and_health(client: httpx.Client) -> None:
    assert set(client.get("/").json()) == {"version", "commit", "kafka_cluster_id"}
    assert client.get("/health").json()["status"] == "healthy"


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


def test_too_large_to_be_stored(client: httpx.Client, config: dict[str, str]) -> None:
    large = {**config, "fields": ",".join(f"field_{number}" for number in range(120_000))}
    refused = error(client.post("/connectors", json={"name": "large", "config": large}), 413)
    assert refused.startswith("Nothing was changed: topic connect-configs cannot take a message of ")
    assert "max.message.bytes is 1,048,588" in refused and "make what is to be stored smaller" in refused
    error(client.get("/connectors/large"), 404)


def test_long_names_and_many_problems_are_not_repeated(client: httpx.Client, config: dict[str, str]) -> None:
    long = "x" * 500_000
    refused = error(client.put("/connectors/long/config", json={**config, "transforms": long}), 400)
    assert "transforms.xxx" in refused and "more characters)…" in refused and len(refused) < 10_000
    assert len(error(client.put("/connectors/long/config", json={**config, "name": long}), 400)) < 50_000
    many = ",".join(f"t{number}" for number in range(500))
    refused = error(client.put("/connectors/long/config", json={**config, "transforms": many}), 400)
    assert "contains the following 500 error(s)" in refused and refused.endswith("\n… and 450 more")
    asked = {**config, "name": "long", "connector.class": "SqliteView", f"transforms.{long}.type": long}
    infos = client.put("/connector-plugins/SqliteView/config/validate", json=asked).json()
    assert infos["error_count"] and all(len(told) < 10_000 for c in infos["configs"] for told in c["value"]["errors"])


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
