"""A worker that does not lead hands on what the leader has to do, and gives the leader's answer."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from headwater.worker.cluster.standalone import Standalone
from headwater.worker.rest.app import build_app
from headwater.worker.rest.forwarding import Forwarding
from headwater.worker.rest.listeners import Listener
from headwater.worker.rest.requests import HttpError
from headwater.worker.rest.server import RestServer
from headwater.worker.rest.settings import RestSettings

from .certificates import make
from .elsewhere import Elsewhere

Member = Callable[..., TestClient]


@pytest.fixture
def follower(worker: Standalone) -> Elsewhere:
    return Elsewhere(worker, f"http://{worker.worker_id}/")


@pytest.fixture
def asked(follower: Elsewhere) -> Iterator[TestClient]:
    with TestClient(build_app(follower), base_url="http://127.0.0.1:9", raise_server_exceptions=False) as client:
        yield client


def message(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.json()["error_code"] == status
    return str(response.json()["message"])


def test_the_leader_writes(asked: TestClient, client: httpx.Client, config: dict[str, str]) -> None:
    body = {"name": "for ward", "config": config, "initial_state": "STOPPED"}
    created = asked.post("/connectors", json=body)
    assert created.status_code == 201 and created.json()["name"] == "for ward"
    assert created.headers["content-type"] == "application/json"
    assert created.headers["location"] == "http://127.0.0.1:9/connectors/for%20ward"
    assert message(asked.post("/connectors", json=body), 409) == "Connector for ward already exists"
    assert client.get("/connectors/for%20ward/status").json()["connector"]["state"] == "STOPPED"
    patched = asked.patch("/connectors/for%20ward/config", json={"tasks.max": 2})
    assert patched.status_code == 200 and patched.json()["config"]["tasks.max"] == "2"
    assert "must be a whole number" in message(
        asked.patch("/connectors/for%20ward/config", json={"tasks.max": "x"}), 400
    )
    assert asked.put("/connectors/for%20ward/stop").status_code == 204
    restarted = asked.post("/connectors/for%20ward/restart?includeTasks=true")
    assert restarted.status_code == 202 and restarted.json()["connector"]["state"] == "RESTARTING"
    assert asked.delete("/connectors/for%20ward").status_code == 204
    assert message(asked.delete("/connectors/for%20ward"), 404) == "Connector for ward not found"
    assert message(asked.post("/connectors", content=b"{", headers={"Content-Type": "application/json"}), 400)


def test_not_in_circles(asked: TestClient, follower: Elsewhere) -> None:
    assert message(asked.delete("/connectors/x?forward=true"), 404)  # the second hop: to who leads in truth
    refused = "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"
    assert message(asked.delete("/connectors/x?forward=false"), 409) == refused
    follower.leader = ""
    assert "no known leader URL" in message(asked.delete("/connectors/x"), 409)


@pytest.mark.parametrize("query", ["forward=maybe", "forward=", "forward=true&forward=false"])
def test_a_hop_that_no_worker_makes(asked: TestClient, caplog: pytest.LogCaptureFixture, query: str) -> None:
    """The user's mistake, and nothing that the worker's log has to hear of."""
    for path in ("/connectors/x", "/connectors/x/offsets"):
        assert "forward is true or false" in message(asked.delete(f"{path}?{query}"), 400)
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "WARNING")]


def test_who_is_told_too_late_that_it_does_not_lead(asked: TestClient, follower: Elsewhere, view: str) -> None:
    follower.leader = None
    assert "no known leader URL" in message(asked.put(f"/connectors/{view}/pause"), 409)


def test_a_leader_that_does_not_answer(asked: TestClient, follower: Elsewhere) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        follower.leader = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        answer = message(asked.put("/connectors/x/stop"), 500)
    assert answer.startswith("IO Error trying to forward REST request: ")
    assert f"{follower.leader}, does not answer. Nothing was changed." in answer and "ask again" in answer


def test_a_leader_whose_address_nobody_reaches() -> None:
    """Such as one that a firewall hides: what is sent there is dropped, and nobody says so."""
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(8):  # a full queue: more connections are not answered
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        forwarding = Forwarding(timeout_s=3600, connect_s=0.2)
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        handler = forwarding.to(lambda request: url, nothing)
        asked = stack.enter_context(TestClient(Starlette(routes=[Route("/x", handler, methods=["PUT"])])))
        with pytest.raises(HttpError) as error:
            asked.put("/x")
    assert error.value.status == 500 and "Nothing was changed" in str(error.value)
    assert url in str(error.value) and "rest.advertised.host.name" in str(error.value)


async def nothing(request: Request) -> Response:
    raise AssertionError("it is for another worker")


def test_a_leader_behind_https(worker: Standalone, tmp_path: Path) -> None:
    own = make(tmp_path, "worker")
    settings = {
        "listeners": "https://127.0.0.1:0",
        "listeners.https.ssl.keystore.location": str(own.both),
        "listeners.https.ssl.truststore.location": str(own.trusted),
    }
    listener = Listener("https://127.0.0.1:0", settings)
    server = RestServer(worker, listener)
    server.start()
    try:
        follower = Elsewhere(worker, listener.url)
        trusting = build_app(follower, settings=RestSettings.of(settings))
        with TestClient(trusting, base_url="http://127.0.0.1:9") as asked:
            assert message(asked.delete("/connectors/x"), 404) == "Connector x not found"
        with TestClient(build_app(follower), base_url="http://127.0.0.1:9") as asked:
            assert "CERTIFICATE_VERIFY_FAILED" in message(asked.delete("/connectors/x"), 500)
    finally:
        server.stop()


def test_what_others_know_better(asked: TestClient, follower: Elsewhere, view: str) -> None:
    """Reads are answered here, also where the other worker is gone."""
    assert asked.get("/connectors").status_code == 200
    follower.owner = f"http://{follower.worker_id}/"
    assert asked.get(f"/views/{view}").json()["name"] == view
    assert asked.post(f"/connectors/{view}/tasks/0/restart").status_code == 204
    follower.owner = ""
    assert "no known leader URL" in message(asked.post(f"/connectors/{view}/tasks/0/restart"), 409)
    assert message(asked.post(f"/connectors/{view}/tasks/7/restart"), 404) == f"Unknown task: {view}-7"
    assert message(asked.post("/connectors/unknown/tasks/0/restart"), 404) == "Unknown connector: unknown"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        follower.owner = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        assert asked.get(f"/views/{view}").json()["name"] == view


def test_sign_in_is_handed_on(worker: Standalone) -> None:
    follower = Elsewhere(worker, f"http://{worker.worker_id}/")
    app = build_app(follower, settings=RestSettings(users={"ann": "secret"}))
    with TestClient(app, base_url="http://127.0.0.1:9") as asked:
        assert asked.delete("/connectors/x").status_code == 401
        assert asked.delete("/connectors/x", auth=("ann", "secret")).status_code == 404


def test_workers_among_themselves(asked: TestClient, follower: Elsewhere) -> None:
    follower.leader = None
    tasks, signed = "/connectors/x/tasks", {"X-Connect-Authorization": "right"}
    assert message(asked.post(tasks, json=[]), 403) == "Internal request contained invalid signature."
    assert asked.post(tasks, json=[{"a": "1"}, {"a": 2}], headers=signed).status_code == 204
    assert follower.planned == [("x", [{"a": "1"}, {"a": "2"}])]
    assert "JSON list" in message(asked.post(tasks, json={}, headers=signed), 400)
    assert message(asked.put("/connectors/x/fence"), 403)
    assert asked.put("/connectors/x/fence", headers=signed).status_code == 204
    assert follower.fenced == ["x"]


def test_alone_there_are_no_others(client: httpx.Client) -> None:
    assert "stands alone" in message(client.post("/connectors/x/tasks", json=[]), 400)
    assert "stands alone" in message(client.put("/connectors/x/fence"), 400)
