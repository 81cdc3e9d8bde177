"""The cables to the other cluster are cut, pulled out, and broken in the middle of answers, while topics are read,
given another key, and written again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.servers.cable import Cable, laid
from tests.servers.kafka import KafkaServer
from tests.servers.worker import WorkerProcess
from tests.topic_contents import on_embedded_log

from .jobs import Writer, by_partition, check_keyed, config, eventually, keyed, make_topic, of_the_broker, of_the_log

pytestmark = [pytest.mark.system, pytest.mark.long]

FIRST = 3000
MORE = 500
IMPATIENT = {"socket.timeout.ms": "2000", "reconnect.backoff.ms": "50", "reconnect.backoff.max.ms": "500"}
"""Of librdkafka's clients: a cable that is cut is noticed within the test."""
AWAY_S = 4.0
BROKEN_AFTER = ((1, 1), (20, 8), (300, 30), (5_000, 40), (20_000, 2))
"""Bytes of answers to the source and to the sink: within the length, the header, an empty answer, records; within the
length, the header and the body of an acknowledgement."""


class Cables(NamedTuple):
    """To the source and to the sink."""

    read: Cable
    write: Cable


@pytest.fixture
def broker() -> Iterator[tuple[KafkaServer, Cables]]:
    """Whoever comes over a cable is sent back over it."""
    server = KafkaServer(listeners={"READ": "PLAINTEXT", "WRITE": "PLAINTEXT"})
    try:
        with laid(server.address("READ")) as read, laid(server.address("WRITE")) as write:
            addresses = f"PLAINTEXT://{server.bootstrap},READ://{read.address},WRITE://{write.address}"
            server.settings["advertised.listeners"] = addresses
            server.write_properties()
            server.start()
            yield server, Cables(read, write)
    finally:
        server.close()


def connectors(cables: Cables) -> list[dict[str, str]]:
    out = config(
        "out", connector_class="KafkaSink", topics="keyed", target_bootstrap_servers=cables.write.address,
        topic="written", keep_partitions="true", target_partitions="4",
    )  # fmt: skip
    return [keyed(cables.read.address, tasks_max="2") | impatient("source"), out | impatient("target")]


def impatient(side: str) -> dict[str, str]:
    return {f"{side}.client.{name}": text for name, text in IMPATIENT.items()}


def cut(cables: Cables, put: Callable[[], None]) -> None:
    """What is sent meanwhile arrives late, when its sender has given it up."""
    for cable in cables:
        cable.cut()
    put()
    time.sleep(AWAY_S)
    for cable in cables:
        cable.mend()


def pull_out(cables: Cables, put: Callable[[], None]) -> None:
    put()
    for cable in cables:
        cable.pull_out()
    time.sleep(AWAY_S / 2)
    for cable in cables:
        cable.plug_in()


def break_answers(cables: Cables, after: tuple[int, int], put: Callable[[], None], worker: WorkerProcess) -> None:
    for cable, size in zip(cables, after, strict=True):
        cable.break_after(size)
    put()
    for cable in cables:
        assert cable.wait_broken(240), worker.tail()


def test_a_repartition_outlives_its_cables(tmp_path: Path, broker: tuple[KafkaServer, Cables]) -> None:
    server, cables = broker
    make_topic(server)
    writer = Writer(server, 1)

    def put() -> None:
        writer.put(MORE)
        writer.finish()

    def arrived() -> bool:
        """Here and there again."""
        return (
            len(on_embedded_log(worker.data, "keyed")) >= writer.written
            and len(set(of_the_broker(server, "written"))) >= writer.written
        )

    writer.put(FIRST)
    writer.finish()
    file = tmp_path / "topics.json"
    file.write_text(json.dumps(connectors(cables)))
    cables.read.break_after(10_000)
    worker = WorkerProcess([file], tmp_path / "data").start()
    try:
        assert cables.read.wait_broken(240), worker.tail()
        eventually(arrived, worker)
        for after in BROKEN_AFTER:
            break_answers(cables, after, put, worker)
        for disturb in (cut, pull_out, cut):
            disturb(cables, put)
        eventually(arrived, worker)
    finally:
        worker.stop(timeout_s=120)
    check_keyed(worker, writer.written)
    written = dict.fromkeys(of_the_broker(server, "written"))
    assert by_partition(written) == by_partition(of_the_log(worker, "keyed")), "at least once, in order"
