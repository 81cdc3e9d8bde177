"""One run of everything: servers, raw limits, then one worker after the other on the same rows and the same changes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer

from . import configs
from .configs import Shape
from .measure import Timing
from .peers import Headwater, KafkaConnect, Peer
from .raw import RawLimits
from .rebuild_run import rebuild
from .report import HEADWATER, RAW, Results
from .sink_run import SinkRun
from .source_run import SourceRun
from .table import LAST_ID, SOURCE, Table, change, make
from .topic import Topic

COPY_OUT, DECODE, PRODUCE, COPY_IN, WRITE = (
    "COPY TO STDOUT", "pg_recvlogical", "produce", "COPY FROM STDIN", "pyarrow write",
)  # fmt: skip
LIMITS = {
    "snapshot": (COPY_OUT, PRODUCE),
    "stream": (DECODE, PRODUCE),
    "Postgres view, load": (COPY_IN,),
    "Postgres view, changes": (COPY_IN,),
    "Postgres view, rebuild": (COPY_IN,),
    "Parquet view, load": (WRITE,),
}
PATHS = ("stream", "sinks", "rebuild")
JDBC = "Debezium JDBC sink 3.5"


@dataclass(frozen=True)
class Wanted:
    """What a run is to do. `debezium`: versions of its source, e.g. 3.7. `paths`: of `PATHS`, beside the snapshot."""

    table: Table
    rows: int
    changes: int
    warm_rows: int
    debezium: Sequence[str]
    paths: Sequence[str]
    shape: Shape


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Run:
    """`stack` closes whatever the run starts."""

    def __init__(
        self, wanted: Wanted, postgres: PostgresServer, kafka: KafkaServer, folder: Path, stack: ExitStack
    ) -> None:
        self.results = Results(LIMITS)
        self._wanted = wanted
        self._postgres = postgres
        self._kafka = kafka
        self._folder = folder
        self._stack = stack
        self._servers = {"broker": kafka.pid, "PostgreSQL": postgres.pid}
        self._raw = RawLimits(postgres, wanted.table, self._servers, folder)

    def all(self) -> Results:
        """Raises where a worker does not do what it should: no figure without all of the rows."""
        wanted = self._wanted
        self._make_table()
        self._raw_of_rows()
        sources = self._sources()
        for source in sources:
            self._add("snapshot", source.peer.name, source.snapshot(wanted.rows, wanted.warm_rows))
        topic = sources[0].topic
        self._raw_produce(topic)
        sinks = self._sinks(sources[0]) if "sinks" in wanted.paths else []
        if sinks:
            last_id = _id_in(topic.last_key(), wanted.table)
            for sink in sinks:
                self._add("Postgres view, load", sink.peer.name, sink.load(wanted.rows, last_id, wanted.warm_rows))
        if "stream" in wanted.paths:
            self._stream(sources, sinks)
        if sinks and "rebuild" in wanted.paths:
            timing = rebuild(sinks[0].peer, topic.read(0).records, self._servers)
            self._add("Postgres view, rebuild", HEADWATER, timing)
        return self.results

    def _add(self, path: str, who: str, timing: Timing) -> None:
        self.results.add(path, who, timing)
        say(f"{path:<24} {who:<24} {timing.rows_per_s:>10,.0f} rows/s {timing.rows_per_cpu_s:>10,.0f} rows/CPU-s")

    def _make_table(self) -> None:
        wanted = self._wanted
        say(f"{wanted.rows:,} rows of table {wanted.table.name}")
        self._postgres.create_database(SOURCE)
        with self._postgres.connect(SOURCE) as connection:
            make(connection, wanted.table, wanted.rows, wanted.warm_rows)

    def _raw_of_rows(self) -> None:
        rows = self._wanted.rows
        self._postgres.create_database("limit")
        self._add(COPY_OUT, RAW, self._raw.copy_out(SOURCE, rows))
        self._add(COPY_IN, RAW, self._raw.copy_in(SOURCE, "limit", rows))
        self._postgres.drop_database("limit")
        self._add(WRITE, RAW, self._raw.write_parquet(SOURCE, rows))

    def _raw_produce(self, topic: Topic) -> None:
        settings: dict[str, str | int] = {"compression.type": self._wanted.shape.compression, "linger.ms": 5}
        self._add(PRODUCE, RAW, self._raw.produce(topic, self._wanted.rows, self._kafka.bootstrap, settings))

    def _stream(self, sources: Sequence[SourceRun], sinks: Sequence[SinkRun]) -> None:
        """The same changes for all: every source has a slot of its own since its snapshot."""
        wanted = self._wanted
        self._raw.make_slot(SOURCE)
        with self._postgres.connect(SOURCE) as connection:
            changes = change(connection, wanted.table, wanted.rows, wanted.changes)
            connection.execute(f"UPDATE warm SET {wanted.table.touch}")
            connection.execute("CHECKPOINT")
        say(f"{changes.events:,} changes in {changes.transactions:,} transactions, {changes.deletes:,} of them deletes")
        self._add(DECODE, RAW, self._raw.receive(SOURCE, changes.events))
        for source in sources:
            self._add("stream", source.peer.name, source.stream(changes, wanted.warm_rows))
        for sink in sinks:
            timing = sink.follow(changes.events, LAST_ID, wanted.warm_rows)
            self._add("Postgres view, changes", sink.peer.name, timing)

    def _sources(self) -> list[SourceRun]:
        """Headwater's first."""
        found = [self._source("headwater", partial(self._headwater, "source"), configs.headwater_source)]
        for version in self._wanted.debezium:
            group = f"debezium{version.replace('.', '')}"
            java = partial(self._java, f"Debezium {version}", f"postgres-{version}", group)
            found.append(self._source(group, java, configs.debezium_source))
        return found

    def _source(
        self,
        prefix: str,
        peer: Callable[[Mapping[str, str]], Peer],
        config: Callable[[Mapping[str, str]], dict[str, str]],
    ) -> SourceRun:
        shape, table = self._wanted.shape, self._wanted.table
        warm = config(shape.source(self._postgres, SOURCE, "public.warm", f"{prefix}_warm"))
        return SourceRun(
            peer({"name": "warm", **warm}),
            config(shape.source(self._postgres, SOURCE, table.full_name, prefix)),
            warm,
            Topic(self._kafka.bootstrap, f"{prefix}.{table.full_name}"),
            Topic(self._kafka.bootstrap, f"{prefix}_warm.public.warm"),
            self._servers,
        )

    def _sinks(self, source: SourceRun) -> list[SinkRun]:
        """All read the topics of one source."""
        found = [self._sink(source, "headwater", partial(self._headwater, "sink"), configs.headwater_view)]
        if self._wanted.debezium:
            java = partial(self._java, JDBC, "jdbc-3.5", "jdbc")
            found.append(self._sink(source, "jdbc", java, configs.debezium_view))
        return found

    def _sink(
        self,
        source: SourceRun,
        database: str,
        peer: Callable[[Mapping[str, str]], Peer],
        config: Callable[[str, str, str], dict[str, str]],
    ) -> SinkRun:
        self._postgres.create_database(database)
        url, table = self._postgres.url(database), self._wanted.table

        def warm(name: str) -> dict[str, str]:
            return config(source.warm_topic.name, name, url)

        first = {"name": "warm_1", **warm("warm_1")}
        bench = config(source.topic.name, table.name, url)
        return SinkRun(peer(first), bench, warm, self._postgres, database, table, self._servers)

    def _headwater(self, role: str, first: Mapping[str, str]) -> Peer:
        settings = self._wanted.shape.worker(self._kafka.bootstrap, f"headwater-{role}")
        peer = Headwater(self._folder / role, settings, first)
        self._stack.callback(peer.close)
        return peer

    def _java(self, name: str, plugin: str, group: str, first: Mapping[str, str]) -> Peer:
        """It needs no connector to be started with."""
        settings = self._wanted.shape.worker(self._kafka.bootstrap, group)
        peer = KafkaConnect(name, self._kafka.bootstrap, plugin, settings)
        self._stack.callback(peer.close)
        return peer


def _id_in(key: bytes, table: Table) -> int:
    """The primary key in the key of a record, as JSON with or without a schema."""
    value = json.loads(key)
    return int(value.get("payload", value)[table.key])
