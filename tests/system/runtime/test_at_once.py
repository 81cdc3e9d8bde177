"""Changes that are asked for at once, and one that takes long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from headwater.worker.cluster.refusals import NotNow
from headwater.worker.cluster.standalone import Standalone
from headwater.worker.rest.server import Listener, RestServer

from .scene import Scene, eventually

pytestmark = pytest.mark.system


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, 10)


@pytest.fixture
def worker(scene: Scene) -> Iterator[Standalone]:
    running = Standalone(scene.settings, scene.data)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def url(worker: Standalone) -> Iterator[str]:
    listener = Listener("127.0.0.1:0")
    server = RestServer(worker, listener)
    server.start()
    yield f"http://127.0.0.1:{listener.port}"
    server.stop()


def at_once(*requests: Callable[[], httpx.Response]) -> list[httpx.Response]:
    start = threading.Barrier(len(requests))

    def ask(request: Callable[[], httpx.Response]) -> httpx.Response:
        start.wait()
        return request()

    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(ask, requests))


def test_no_change_of_two_at_once_is_lost(scene: Scene, url: str) -> None:
    source = scene.source()
    del source["name"]
    body = {"name": scene.counter, "initial_state": "STOPPED"}
    one = f"{url}/connectors/{scene.counter}/config"
    created = at_once(
        lambda: httpx.post(f"{url}/connectors", json={**body, "config": {**source, "count.keys": "3"}}, timeout=120),
        lambda: httpx.post(f"{url}/connectors", json={**body, "config": {**source, "count.keys": "4"}}, timeout=120),
    )
    assert sorted(answer.status_code for answer in created) == [201, 409]
    [won] = [answer.json()["config"] for answer in created if answer.status_code == 201]
    assert httpx.get(one).json() == won
    [lost] = [answer.json()["message"] for answer in created if answer.status_code == 409]
    assert lost == f"Connector {scene.counter} already exists"
    patched = at_once(
        lambda: httpx.patch(one, json={"count.batch": "5"}, timeout=120),
        lambda: httpx.patch(one, json={"count.padding": "6"}, timeout=120),
    )
    assert [answer.status_code for answer in patched] == [200, 200]
    assert httpx.get(one).json() == {**won, "count.batch": "5", "count.padding": "6"}


def test_others_change_what_they_want_while_a_plugin_takes_its_time(scene: Scene, worker: Standalone) -> None:
    wait, waits = Path(f"{scene.upstream}.wait"), Path(f"{scene.upstream}.waits")
    worker.put_config(scene.counter, scene.source(), "STOPPED")
    position: list[tuple[dict[str, object], dict[str, object] | None]] = [({"task": 0}, {"format": 1, "n": 7})]
    wait.touch()
    with ThreadPoolExecutor(1) as threads:
        try:
            altered = threads.submit(worker.alter_offsets, scene.counter, position)
            eventually(waits.exists)
            worker.put_config("other", {**scene.source(), "name": "other"}, "STOPPED")
            assert not altered.done()
        finally:
            wait.unlink()
        altered.result(120)
        assert worker.offsets(scene.counter) == [({"task": 0}, {"format": 1, "n": 7})]
        wait.touch()
        waits.unlink()
        try:
            altered = threads.submit(worker.alter_offsets, scene.counter, None)
            eventually(waits.exists)
            worker.put_config(scene.counter, scene.source(count_keys=2))
        finally:
            wait.unlink()
        with pytest.raises(NotNow, match="was changed meanwhile"):
            altered.result(120)
    assert worker.offsets(scene.counter) == [({"task": 0}, {"format": 1, "n": 7})]
