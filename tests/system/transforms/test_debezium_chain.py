"""Debezium's transforms and Select in chains, from PostgreSQL over topics of several partitions into views, while the
worker is killed; every event and every row beside what plain Python expects of the same work."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Message

from headwater.connectors.debezium.envelope import envelope, envelope_schema
from headwater.connectors.debezium.source_block import POSTGRES_SOURCE_SCHEMA
from headwater.worker.api import Record, Type, primitive, struct
from tests.compat import java_stages
from tests.compat.typed import typed_record
from tests.conftest import Database
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer
from tests.servers.worker import WorkerProcess
from tests.system.runtime.scene import kafka_settings
from tests.topic_contents import on_broker

from .sharded_shop import CITIES, LINES, ORDERS, PARTITIONS, SCHEMA, SOURCE, Shop

pytestmark = [pytest.mark.system, pytest.mark.long]
ROWS, TRANSACTIONS = 4_000, 60
"""In each shard before the start; after it, in each of two parts."""
ORDERS_VIEW = "SELECT shard, id, total, placed::timestamptz, op, label, net FROM orders"
LINES_VIEW = 'SELECT "order", line, sku, count, name, type FROM lines'


@pytest.fixture
def databases(pg: PostgresServer, make_database: Callable[[PostgresServer], Database]) -> tuple[Database, Database]:
    source, view = make_database(pg), make_database(pg)
    with source.connect() as connection:
        connection.execute(SCHEMA)
    return source, view


@pytest.fixture
def worker(databases: tuple[Database, Database], kafka: KafkaServer, tmp_path: Path) -> Iterator[WorkerProcess]:
    source, view = databases
    settings = tmp_path / "worker.yaml"
    settings.write_text(json.dumps(kafka_settings(kafka.bootstrap, f"chain-{source.name}")))
    files = []
    for name, text in (("source", SOURCE), ("orders", ORDERS), ("lines", LINES)):
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(
            text.format(prefix=source.name, port=source.server.port, dbname=source.name, view=view.url)
        )
    made = WorkerProcess(files, tmp_path / "data", options=["--worker", str(settings)])
    yield made
    made.stop()


def test_every_event_and_row(databases: tuple[Database, Database], kafka: KafkaServer, worker: WorkerProcess) -> None:
    source, view = databases
    shop = Shop(seed=7)
    done = worker.command("lint", *map(str, worker.files), *worker.options)
    assert done.returncode == 0, done.stdout + done.stderr
    with source.connect() as connection:
        shop.fill(connection, ROWS)
        worker.start()
        eventually(lambda: on_broker(kafka.bootstrap, f"{source.name}.all.orders"), worker)
        worker.kill()
        worker.start()
        eventually(lambda: follows_changes(source, kafka), worker)
        shop.work(connection, TRANSACTIONS)
        eventually(lambda: on_broker(kafka.bootstrap, f"{source.name}.event.order"), worker)
        worker.kill()
        shop.work(connection, TRANSACTIONS)
    worker.start()
    eventually(lambda: not rows(view, ORDERS_VIEW) ^ shop.orders(), worker)
    eventually(lambda: not rows(view, LINES_VIEW) ^ shop.lines(), worker)
    assert worker.stop() == 0
    check_orders(shop, kafka, source.name)
    check_events(shop, on_broker(kafka.bootstrap, f"{source.name}.event.order"))


def check_orders(shop: Shop, kafka: KafkaServer, prefix: str) -> None:
    """Each change once, in the order of its row's versions, in the partition that Debezium's class computes."""
    places = by_debezium()
    for topic, wanted in shop.on_topics().items():
        found: dict[tuple[str, int], list[tuple[int, bool, tuple[Any, ...]]]] = defaultdict(list)
        for message in on_broker(kafka.bootstrap, f"{prefix}.{topic}"):
            key, event = payload(message.key()), payload(message.value())
            told: tuple[Any, ...] = (None,)
            if event is not None:
                told = (event["op"], event["before"], event["after"])
                city = (event["after"] or event["before"])["city"]
                assert message.partition() == places.get(city, message.partition()), city
            found[key["shard"], key["id"]].append((version(message), event is None, told))
        told_of = {key: [told for *_, told in sorted(events, key=lambda e: e[:2])] for key, events in found.items()}
        assert told_of == wanted


def check_events(shop: Shop, messages: list[Message]) -> None:
    found = defaultdict(list)
    for message in messages:
        headers = dict(message.headers() or [])
        items = (headers["id"], headers["eventType"], payload(message.value()))
        found[payload(message.key())].append(items)
    wanted = defaultdict(list)
    for event in shop.events:
        wanted[event.order].append((event.id.encode(), event.type.encode(), event.payload))
    assert found == wanted
    partition_of = {(message.key(), message.partition()) for message in messages}
    assert len(partition_of) == len(wanted) and len({place for _, place in partition_of}) == PARTITIONS


def by_debezium() -> dict[str, int]:
    """The partition of each city as io.debezium.transforms.partitions.PartitionRouting computes it."""
    row = struct({"city": primitive(Type.STRING)})
    schema = envelope_schema("t", row, POSTGRES_SOURCE_SCHEMA)
    block = {
        "version": "3.7",
        "connector": "postgresql",
        "name": "t",
        "ts_ms": 1,
        "db": "d",
        "schema": "s",
        "table": "t",
    }
    cities = [city for city in CITIES if city is not None]
    records = [Record("t", None, envelope("c", None, {"city": city}, block, 1), None, schema, (), 1) for city in cities]
    config = {"partition.payload.fields": "change.city", "partition.topic.num": str(PARTITIONS)}
    with java_stages.running() as java:
        name = "io.debezium.transforms.partitions.PartitionRouting"
        made = java.transform(name, config, [typed_record(record) for record in records])
    places = {city: result["partition"] for city, result in zip(cities, made, strict=True)}
    assert set(places.values()) == set(range(PARTITIONS))
    return places


def payload(data: bytes | None) -> Any:
    return None if data is None else json.loads(data)["payload"]


def version(message: Message) -> int:
    return int(dict(message.headers() or [])["headwater.version"])


def follows_changes(source: Database, kafka: KafkaServer) -> bool:
    """Is the snapshot over? Of a row that changes before that the snapshot may tell the newer state alone."""
    with source.connect() as connection:
        connection.execute("INSERT INTO mark DEFAULT VALUES")
    told = [payload(message.value()) for message in on_broker(kafka.bootstrap, f"{source.name}.public.mark")]
    return any(event["op"] == "c" for event in told)


def rows(database: Database, query: str) -> set[tuple[Any, ...]]:
    try:
        with database.connect() as connection:
            connection.execute("SET timezone = 'UTC'")
            found = connection.execute(query).fetchall()
    except psycopg.errors.UndefinedTable:
        return set()
    assert len(set(found)) == len(found)
    return set(found)


def eventually(check: Callable[[], Any], worker: WorkerProcess, timeout_s: float = 300) -> None:
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, worker.tail()
        time.sleep(0.5)
