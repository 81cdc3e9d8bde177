"""A Java Kafka Connect worker and a Headwater member in one group: each leads once, each takes over from the other."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from headwater.worker.cluster.group_membership import GroupMembership
from headwater.worker.cluster.membership import CONNECTOR, Item
from tests.servers.connect import ConnectWorker
from tests.servers.kafka import KafkaServer

pytestmark = [pytest.mark.compat, pytest.mark.long]

CONNECTORS = [f"file-{n}" for n in range(4)]
PATIENCE_S = 300.0


class Member:
    """Reads the config topic as Kafka Connect does; stops what it is told to at once."""

    def __init__(self, bootstrap: str, java: Mapping[str, str]) -> None:
        """`java`: the other worker's settings."""
        settings = {"bootstrap.servers": bootstrap, "group.id": java["group.id"]}
        self.membership = GroupMembership(settings, "http://127.0.0.1:9/")
        client = {"bootstrap.servers": bootstrap, "group.id": uuid.uuid4().hex, "isolation.level": "read_committed"}
        self._consumer = Consumer({**client, "enable.auto.commit": False})
        self._consumer.assign([TopicPartition(java["config.storage.topic"], 0, 0)])
        self._known: tuple[int, frozenset[Item]] = (-1, frozenset())
        self._tasks: dict[str, int] = {}
        self._connectors: set[str] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def start(self) -> None:
        self._thread.start()
        eventually(lambda: self._known[0] > 0, "the config topic is read")
        self.membership.start(self)

    def _read(self) -> None:
        while not self._ending.is_set():
            message = self._consumer.poll(0.1)
            if message is None or message.error():
                continue
            key, value = (message.key() or b"").decode(), message.value()
            document = None if value is None else json.loads(value)
            document = document["payload"] if document is not None and "payload" in document else document
            if key.startswith("connector-"):
                change = self._connectors.add if document is not None else self._connectors.discard
                change(key.removeprefix("connector-"))
            elif key.startswith("commit-") and document is not None:
                self._tasks[key.removeprefix("commit-")] = document["tasks"]
            items = {Item(c, n) for c in self._connectors for n in (CONNECTOR, *range(self._tasks.get(c, 0)))}
            offset = message.offset()
            assert offset is not None
            before, self._known = self._known[1], (offset + 1, frozenset(items))
            if items != before:
                self.membership.rejoin()

    def config(self) -> tuple[int, Collection[Item]]:
        return self._known

    def running(self) -> Collection[Item]:
        return ()

    def returning(self) -> Collection[Item]:
        return ()

    def changed(self) -> None:
        """Looked at all the time."""

    @property
    def items(self) -> frozenset[Item]:
        return self.membership.assigned().items or frozenset()

    @property
    def leads(self) -> bool:
        return self.membership.assigned().leader

    def stop(self) -> None:
        """May be called twice, and without `start`."""
        self.membership.stop()
        if not self._ending.is_set():
            self._ending.set()
            if self._thread.ident is not None:
                self._thread.join()
            self._consumer.close()


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:.0f} s: {what}"
        time.sleep(0.1)


@pytest.fixture
def java(kafka: KafkaServer) -> Iterator[ConnectWorker]:
    """Alone in its group; not the one that other tests share."""
    name = f"both-{uuid.uuid4().hex[:8]}"
    topics = {f"{kind}.storage.topic": f"{name}-{kind}" for kind in ("config", "offset", "status")}
    worker = ConnectWorker(kafka.bootstrap, settings={"group.id": name, **topics})
    try:
        yield worker
    finally:
        worker.close()


def test_each_leads_once(kafka: KafkaServer, java: ConnectWorker) -> None:
    java.start()
    for name in CONNECTORS:
        java.create(name, file_source(java.folder / name, f"{java.settings['group.id']}-lines"))
    everything = {Item(name, task) for name in CONNECTORS for task in (CONNECTOR, 0)}
    first, second = (Member(kafka.bootstrap, java.settings) for _ in range(2))
    try:
        first.start()
        eventually(lambda: halves(java, first), "Java leads and has handed out half")
        assert not first.leads
        assert first.membership.assigned().leader_url.rstrip("/") == java.url
        assert first.membership.assigned().sessioned

        java.stop()
        eventually(lambda: first.items == everything and first.leads, "Headwater has all that Java left")
        java.start()
        eventually(lambda: halves(java, first), "Headwater leads and has handed out half")
        assert first.leads
        assert first.membership.owner_url(min(everything - first.items)).rstrip("/") == java.url

        first.stop()
        eventually(lambda: java_has(java) == everything, "Java has all that Headwater left")
        second.start()
        eventually(lambda: halves(java, second), "Java leads again")
        java.kill()
        begin = time.monotonic()
        eventually(lambda: second.items == everything, "Headwater has all that Java had")
        print(f"kill -9 of the Java worker: all is handed out after {time.monotonic() - begin:.1f} s")
    finally:
        first.stop()
        second.stop()


def file_source(path: Path, topic: str) -> dict[str, str]:
    """Waits for its file as long as there is none."""
    source = "org.apache.kafka.connect.file.FileStreamSourceConnector"
    return {"connector.class": source, "tasks.max": "1", "file": str(path), "topic": topic}


def java_has(java: ConnectWorker) -> set[Item]:
    """What runs there by Java's own word; of a task that it has just started and given up, RUNNING stays the last."""
    found = set()
    for name in CONNECTORS:
        states = java.states(name)
        found |= {Item(name, number - 1) for number, state in enumerate(states) if state == "RUNNING"}
    return found


def halves(java: ConnectWorker, member: Member) -> bool:
    """Headwater has half of the connectors and half of the tasks, and Java runs the rest."""
    everything = {Item(name, task) for name in CONNECTORS for task in (CONNECTOR, 0)}
    connectors = [item.task == CONNECTOR for item in member.items]
    return (connectors.count(True), connectors.count(False)) == (2, 2) and everything - member.items <= java_has(java)
