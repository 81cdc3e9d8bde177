"""A worker for tests of one module, with REST on a free port and a small topic on its log."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from headwater.worker.cluster.standalone import Standalone
from headwater.worker.log.contract import Message
from headwater.worker.rest.server import Listener, RestServer
from tests import plugins

_numbers = itertools.count(1)
SETTINGS = {
    "key.converter": "StringConverter",
    "value.converter": "JsonConverter",
    "value.converter.schemas.enable": "false",
}


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    plugins.install()
    listener = Listener("127.0.0.1:0")
    worker = Standalone(SETTINGS, tmp_path_factory.mktemp("data"), f"127.0.0.1:{listener.port}")
    worker.start()
    worker.log.create_topic("items", 1, {"cleanup.policy": "compact"})
    producer = worker.log.producer()
    producer.send(Message("items", f"k{n}".encode(), json.dumps({"id": n}).encode()) for n in range(20))
    producer.flush()
    producer.close()
    server = RestServer(worker, listener)
    server.start()
    yield worker
    server.stop()
    worker.stop()


@pytest.fixture
def client(worker: Standalone) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{worker.worker_id}", timeout=120) as client:
        yield client


@pytest.fixture
def config(tmp_path: Path) -> dict[str, str]:
    path = str(tmp_path / "view.db")
    return {"connector.class": "SqliteView", "topics": "items", "path": path, "fields": "id", "tasks.max": "1"}


@pytest.fixture
def view(client: httpx.Client, config: dict[str, str]) -> Iterator[str]:
    name = f"view-{next(_numbers)}"
    assert client.post("/connectors", json={"name": name, "config": config}).status_code == 201
    wait_for(lambda: states(client, name) == ["RUNNING"])
    yield name
    client.post(f"/views/{name}/abort")
    wait_for(lambda: client.delete(f"/connectors/{name}").status_code in (204, 404))


def states(client: httpx.Client, name: str) -> list[str]:
    return [task["state"] for task in client.get(f"/connectors/{name}/status").json()["tasks"]]


def error(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error_code", "message"} and body["error_code"] == status
    return str(body["message"])


def wait_for(condition: Callable[[], object], timeout_s: float = 300) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.05)
