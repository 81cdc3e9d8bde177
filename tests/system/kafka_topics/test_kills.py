"""Workers, tasks and the other cluster's broker die while topics are copied in every way, and written to meanwhile."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tests.servers.kafka import KafkaServer, running
from tests.servers.process import kill_one
from tests.servers.worker import WorkerProcess
from tests.topic_contents import on_broker, on_embedded_log

pytestmark = pytest.mark.system

TOPIC = "events"
PARTITIONS = 3
KEYS = 200
FIRST = 4000
"""Records that are there before the worker starts."""
ALL = 14_000
KILLS = 10
Place = tuple[int, int]
"""Partition, and the record's number, which is its version."""


class Writer(threading.Thread):
    """Writes records numbered from 0, each key to one partition; the broker may go away meanwhile."""

    def __init__(self, broker: KafkaServer, seed: int) -> None:
        super().__init__(daemon=True)
        self._choose = random.Random(seed)
        self._producer = Producer(
            {"bootstrap.servers": broker.bootstrap, "enable.idempotence": True, "linger.ms": 5, "log_level": 0,
             "message.timeout.ms": 600_000, "max.in.flight.requests.per.connection": 1}
        )  # fmt: skip
        self.written = 0
        self.refused: list[object] = []

    def put(self, count: int) -> None:
        for n in range(self.written, self.written + count):
            key = self._choose.randrange(KEYS)
            value = json.dumps({"n": n, "customer": key % 17}).encode()
            self._producer.produce(
                TOPIC, value, b"%d" % key, key % PARTITIONS, headers=[("headwater.version", b"%d" % n)],
                on_delivery=lambda error, _: self.refused.append(error) if error else None,
            )  # fmt: skip
        self.written += count
        self._producer.poll(0)

    def finish(self) -> None:
        assert self._producer.flush(300) == 0 and not self.refused, self.refused

    def run(self) -> None:
        while self.written < ALL:
            self.put(min(self._choose.randrange(1, 100), ALL - self.written))
            time.sleep(self._choose.random() * 0.1)
        self.finish()


def config(name: str, **options: str) -> dict[str, str]:
    raw = {
        "name": name, "key.converter": "ByteArrayConverter", "value.converter": "ByteArrayConverter",
        "restart.backoff.initial.ms": "20", "restart.backoff.max.ms": "200", "restart.max.attempts": "-1",
    }  # fmt: skip
    return raw | {option.replace("_", "."): text for option, text in options.items()}


def source(broker: KafkaServer, name: str, **options: str) -> dict[str, str]:
    given = {"connector_class": "KafkaSource", "source_bootstrap_servers": broker.bootstrap, "topics": TOPIC,
             "topic": name, "batch_size": "100"}  # fmt: skip
    return config(name, **given | options)


def connectors(broker: KafkaServer) -> list[dict[str, str]]:
    keyed = {
        "keep.partitions": "false", "topic.creation.default.partitions": "4", "transforms": "key",
        "transforms.key.type": "ValueToKey", "transforms.key.fields": "customer",
    }  # fmt: skip
    for side in ("key.", "value.", "source.key.", "source.value."):
        keyed |= {f"{side}converter": "JsonConverter", f"{side}converter.schemas.enable": "false"}
    return [
        source(broker, "copied", tasks_max="2"),
        source(broker, "newest", copy="latest", topic_creation_default_cleanup_policy="delete"),
        source(broker, "keyed") | keyed,
        config(
            "out", connector_class="KafkaSink", topics="copied", target_bootstrap_servers=broker.bootstrap,
            topic="written", keep_partitions="true", target_partitions=str(PARTITIONS),
        ),
    ]  # fmt: skip


@pytest.mark.chaos
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_job_comes_through(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
    print(f"CHAOS_SEED={seed}")
    choose = random.Random(seed)
    with running("4.1") as broker:  # not 4.3: killed in a transaction, 4.3.1 may leave it open for ever
        admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(60)
        writer = Writer(broker, seed)
        writer.put(FIRST)
        writer.finish()
        file = tmp_path / "topics.json"
        file.write_text(json.dumps(connectors(broker)))
        worker = WorkerProcess([file], tmp_path / "data").start()
        try:
            writer.start()
            for number in range(KILLS):
                time.sleep(choose.random())
                disturb(worker, broker, choose, number)
            writer.join()
            everything = [numbered(m.partition(), m.value()) for m in on_broker(broker.bootstrap, TOPIC)]
            assert len(everything) == ALL
            eventually(lambda: len(on_embedded_log(worker.data, "copied")) >= ALL, worker)
            eventually(lambda: len(on_embedded_log(worker.data, "keyed")) >= ALL, worker)
            eventually(lambda: newest(of_the_log(worker, "newest")) == newest(everything), worker)
            eventually(lambda: len(set(of_the_broker(broker, "written"))) >= ALL, worker)
        finally:
            worker.stop(timeout_s=120)
        out = of_the_broker(broker, "written")
    assert by_partition(of_the_log(worker, "copied")) == by_partition(everything), "once each, in order"
    assert by_partition(dict.fromkeys(out)) == by_partition(everything), "at least once, in order"
    check_newest(worker, everything)
    check_keyed(worker)


def disturb(worker: WorkerProcess, broker: KafkaServer, choose: random.Random, number: int) -> None:
    """The worker and the broker once each at a fixed turn, so that no run goes without."""
    if number == KILLS // 3:
        broker.kill()
        time.sleep(choose.random())
        broker.start()
    elif number == KILLS // 2:
        broker.freeze()
        time.sleep(1 + choose.random())
        broker.thaw()
    elif number == 2 * KILLS // 3:
        worker.kill()
        worker.start()
    else:
        for pid in choose.sample(children := worker.children(), min(len(children), choose.randrange(1, 4))):
            kill_one(pid)


def check_newest(worker: WorkerProcess, everything: Iterable[Place]) -> None:
    """Of each key the newest record that was there at the start, then every one: an end of all that it has."""
    found = [(m.key, numbered(m.partition, m.value)) for m in on_embedded_log(worker.data, "newest")]
    count = Counter(place for _, place in found)
    assert set(count.values()) == {1}
    whole, kept = defaultdict(list), defaultdict(list)
    for m in on_embedded_log(worker.data, "copied"):
        whole[m.key].append(numbered(m.partition, m.value))
    for key, place in found:
        kept[key].append(place)
    assert {key: whole[key][-len(places) :] for key, places in kept.items()} == kept
    assert kept.keys() == whole.keys() and len(found) < len(list(everything)) - FIRST + KEYS + 1


def check_keyed(worker: WorkerProcess) -> None:
    found = on_embedded_log(worker.data, "keyed")
    rows = [(m.partition, json.loads(m.key or b""), json.loads(m.value or b"")) for m in found]
    assert Counter(row["n"] for _, _, row in rows) == dict.fromkeys(range(ALL), 1)
    places: dict[int, set[int]] = defaultdict(set)
    for partition, key, row in rows:
        assert key == {"customer": row["customer"]}
        places[row["customer"]].add(partition)
    assert len(places) == 17 and all(len(partitions) == 1 for partitions in places.values())


def numbered(partition: int | None, value: Any) -> Place:
    assert partition is not None
    return partition, json.loads(value)["n"]


def of_the_log(worker: WorkerProcess, topic: str) -> list[Place]:
    return [numbered(m.partition, m.value) for m in on_embedded_log(worker.data, topic)]


def of_the_broker(broker: KafkaServer, topic: str) -> list[Place]:
    return [numbered(m.partition(), m.value()) for m in on_broker(broker.bootstrap, topic)]


def by_partition(places: Iterable[Place]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for partition, number in places:
        found[partition].append(number)
    return found


def newest(places: Iterable[Place]) -> dict[int, int]:
    """Of each partition."""
    return {partition: max(numbers) for partition, numbers in by_partition(places).items()}


def eventually(check: Callable[[], bool], worker: WorkerProcess, timeout_s: float = 600) -> None:
    end = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < end, worker.tail()
        time.sleep(0.5)
