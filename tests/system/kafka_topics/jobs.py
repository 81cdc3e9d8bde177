"""Topic-to-topic jobs, and what the topics must hold in the end whatever came in between."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tests.servers.kafka import KafkaServer
from tests.servers.worker import WorkerProcess
from tests.topic_contents import on_broker, on_embedded_log

TOPIC = "events"
PARTITIONS = 3
KEYS = 200
CUSTOMERS = 17
Place = tuple[int, int]
"""Partition, and the record's number, which is its version."""


def make_topic(broker: KafkaServer) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(60)


class Writer(threading.Thread):
    """Writes records numbered from 0, each key to one partition; the broker may go away meanwhile. As a thread up to
    `total` of them."""

    def __init__(self, broker: KafkaServer, seed: int, total: int = 0) -> None:
        super().__init__(daemon=True)
        self._total = total
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
            value = json.dumps({"n": n, "customer": key % CUSTOMERS}).encode()
            self._producer.produce(
                TOPIC, value, b"%d" % key, key % PARTITIONS, headers=[("headwater.version", b"%d" % n)],
                on_delivery=lambda error, _: self.refused.append(error) if error else None,
            )  # fmt: skip
        self.written += count
        self._producer.poll(0)

    def finish(self) -> None:
        assert self._producer.flush(300) == 0 and not self.refused, self.refused

    def run(self) -> None:
        while self.written < self._total:
            self.put(min(self._choose.randrange(1, 100), self._total - self.written))
            time.sleep(self._choose.random() * 0.1)
        self.finish()


def config(name: str, **options: str) -> dict[str, str]:
    raw = {
        "name": name, "key.converter": "ByteArrayConverter", "value.converter": "ByteArrayConverter",
        "restart.backoff.initial.ms": "20", "restart.backoff.max.ms": "200", "restart.max.attempts": "-1",
    }  # fmt: skip
    return raw | {option.replace("_", "."): text for option, text in options.items()}


def source(bootstrap: str, name: str, **options: str) -> dict[str, str]:
    given = {"connector_class": "KafkaSource", "source_bootstrap_servers": bootstrap, "topics": TOPIC,
             "topic": name, "batch_size": "100"}  # fmt: skip
    return config(name, **given | options)


def keyed(bootstrap: str, **options: str) -> dict[str, str]:
    """Another key, and another number of partitions."""
    changes = {
        "keep.partitions": "false", "topic.creation.default.partitions": "4", "transforms": "key",
        "transforms.key.type": "ValueToKey", "transforms.key.fields": "customer",
    }  # fmt: skip
    for side in ("key.", "value.", "source.key.", "source.value."):
        changes |= {f"{side}converter": "JsonConverter", f"{side}converter.schemas.enable": "false"}
    return source(bootstrap, "keyed", **options) | changes


def check_keyed(worker: WorkerProcess, total: int) -> None:
    """Each record once, under its customer as its key, in one of the partitions."""
    found = on_embedded_log(worker.data, "keyed")
    rows = [(m.partition, json.loads(m.key or b""), json.loads(m.value or b"")) for m in found]
    assert Counter(row["n"] for _, _, row in rows) == dict.fromkeys(range(total), 1)
    places: dict[int, set[int]] = defaultdict(set)
    for partition, key, row in rows:
        assert key == {"customer": row["customer"]}
        places[row["customer"]].add(partition)
    assert len(places) == CUSTOMERS and all(len(partitions) == 1 for partitions in places.values())


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


def eventually(check: Callable[[], bool], worker: WorkerProcess, timeout_s: float = 600) -> None:
    end = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < end, worker.tail()
        time.sleep(0.5)
