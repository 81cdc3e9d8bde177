"""`headwater dlq` against a running worker, and the REST paths below it."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from headwater.worker.cli.main import main
from headwater.worker.cluster.standalone import Standalone
from headwater.worker.log.contract import Message
from headwater.worker.runtime.internal_topics import InternalTopics
from headwater.worker.runtime.letter_report import ask_for_replay
from tests.rest_worker import error, states, wait_for

pytestmark = pytest.mark.system

_names = itertools.count(1)
FAILING = {
    "transforms": "odd", "transforms.odd.type": "Misbehave", "transforms.odd.how": "error",
    "transforms.odd.at": "3", "transforms.odd.to": "5",
}  # fmt: skip


@pytest.fixture
def config(worker: Standalone, tmp_path: Path) -> dict[str, str]:
    """A view of ten numbers, with a dead letter queue."""
    topic = f"numbers-{next(_names)}"
    worker.log.create_topic(topic, 1, {})
    producer = worker.log.producer()
    numbers = (Message(topic, b'{"id":%d}' % n, b'{"n":%d,"secret":"hush-hush"}' % n) for n in range(10))
    producer.send(numbers)
    producer.flush()
    producer.close()
    return {
        "connector.class": "TableSink", "topics": topic, "table.file": str(tmp_path / "view.db"), "tasks.max": "1",
        "key.converter": "JsonConverter", "key.converter.schemas.enable": "false",
        "value.converter": "JsonConverter", "value.converter.schemas.enable": "false",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": f"{topic}-dead",
        "errors.deadletterqueue.context.headers.enable": "true", "consumer.override.sasl.password": "hush-hush",
    }  # fmt: skip


@pytest.fixture
def dead(client: httpx.Client, config: dict[str, str]) -> Iterator[str]:
    """A connector whose view lacks three of them."""
    name = f"dead-{next(_names)}"
    assert client.post("/connectors", json={"name": name, "config": config | FAILING}).status_code == 201
    wait_for(lambda: client.get(f"/connectors/{name}/dead-letters").json().get("waiting") == 3)
    yield name
    wait_for(lambda: client.delete(f"/connectors/{name}").status_code in (204, 404))


def headwater(worker: Standalone, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    status = main(["dlq", *arguments, "--url", f"http://{worker.worker_id}"])
    return status, capsys.readouterr().out


def test_shown_mended_and_replayed(
    worker: Standalone, client: httpx.Client, dead: str, config: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    topic = config["topics"]
    status, out = headwater(worker, capsys, "show", dead, "-n", "2")
    assert status == 0 and out.startswith(f"{dead}: 3 dead letters wait in {topic}-dead\n")
    assert "TRANSFORMATION" in out and "5 is not wanted" in out and f"\n{topic}-0@5\n" in out
    assert f"{topic}-0@3" not in out and "hush" not in out

    status, out = headwater(worker, capsys, "show", dead, "--output", "json")
    found = json.loads(out)
    assert [letter["record"] for letter in found["letters"]] == [f"{topic}-0@{n}" for n in (5, 4, 3)]
    assert found["causes"][0]["count"] == 3 and found["letters"][0]["value"] == '{"n":5,"secret":"***"}'

    status, out = headwater(worker, capsys, "replay", dead)
    assert status == 1 and "3 letters failed again" in out and "3 dead letters wait" in out

    before = client.get(f"/connectors/{dead}/status").json()
    assert client.put(f"/connectors/{dead}/config", json=config).status_code == 200
    wait_for(lambda: FAILING.keys().isdisjoint(client.get(f"/connectors/{dead}/config").json()))
    assert before and states(client, dead)
    while (answer := headwater(worker, capsys, "replay", dead, "--json"))[0]:
        assert not answer[1] or json.loads(answer[1])["failed"]  # by the task before, which has not ended yet
    assert json.loads(answer[1])["replayed"] == 3
    status, out = headwater(worker, capsys, "show", dead)
    assert status == 0 and f"{dead}: 0 dead letters wait" in out and "Earlier replays: 3 written" in out


def test_what_cannot_be_replayed(client: httpx.Client, dead: str, config: dict[str, str]) -> None:
    path = f"/connectors/{dead}"
    without = {name: text for name, text in config.items() if "deadletterqueue" not in name}
    plain = f"{dead}-plain"
    assert client.post("/connectors", json={"name": plain, "config": without}).status_code == 201
    assert "has no dead letter queue" in error(client.get(f"/connectors/{plain}/dead-letters"), 400)
    wait_for(lambda: client.delete(f"/connectors/{plain}").status_code in (204, 404))
    error(client.get("/connectors/nobody/dead-letters"), 404)
    for limit in ("many", "²", "1001", "9" * 5_000):
        assert "limit" in error(client.get(f"{path}/dead-letters", params={"limit": limit}), 400)
    client.put(f"{path}/pause")
    wait_for(lambda: states(client, dead) == ["PAUSED"])
    assert "is PAUSED" in error(client.post(f"{path}/dead-letters/replay"), 409)
    assert client.put(f"{path}/config", json=config | {"errors.tolerance": "none"}).status_code == 200
    assert "errors.tolerance=none" in error(client.post(f"{path}/dead-letters/replay"), 409)


def test_one_of_the_same_name_goes_on_with_no_replay(
    worker: Standalone, client: httpx.Client, dead: str, config: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A connector is asked for a replay, and deleted before it has begun with it. Its letters stay."""
    path, topic, views = f"/connectors/{dead}", config["topics"], InternalTopics.of(worker.settings).views
    client.put(f"{path}/pause")
    wait_for(lambda: states(client, dead) == ["PAUSED"])
    ask_for_replay(worker.log, views, dead, f"{topic}-dead")
    assert client.get(f"{path}/dead-letters").json()["asked_for"] == 3
    wait_for(lambda: client.delete(path).status_code in (204, 404))
    with closing(worker.log.producer()) as producer:
        producer.send([Message(topic, b'{"id":10}', b'{"n":10}')])
        producer.flush()
    assert client.post("/connectors", json={"name": dead, "config": config}).status_code == 201
    wait_for(lambda: rows(config) == {0, 1, 2, 6, 7, 8, 9, 10})
    found = client.get(f"{path}/dead-letters").json()
    assert (found["waiting"], found["asked_for"], found["last_replay"]) == (3, 0, None)
    assert json.loads(headwater(worker, capsys, "replay", dead, "--json")[1])["replayed"] == 3
    assert rows(config) == set(range(11))


def rows(config: dict[str, str]) -> set[int]:
    with closing(sqlite3.connect(config["table.file"], timeout=60)) as view:
        return {n for (n,) in view.execute("SELECT n FROM view_g1")}
