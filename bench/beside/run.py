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
from .views import Goal, ParquetView, PostgresView, View

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
    "Parquet view, changes": (WRITE,),
    "Parquet view, rebuild": (WRITE,),
}
PATHS = ("stream", "postgres-view", "parquet-view", "rebuild")
MakePeer = Callable[[Mapping[str, str]], Peer]
"""Of the config of a connector, which a worker may need to be started with."""
JDBC = "Debezium JDBC sink 3.5"


@dataclass(frozen=True)
class Wanted:
    """What a run is to do. `debezium`: versions of its source, e.g. 3.7. `paths`: of `PATHS`, beside the snapshot."""

    table: Table
    rows: int
    changes: int
    warm_rows: int
    debezium: Sequence[str]
    debezium_by_default: bool
    paths: Sequence[str]
    shape: Shape

    @property
    def sinks(self) -> bool:
        return "postgres-view" in self.paths or "parquet-view" in self.paths


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
        sinks = self._sinks(sources[0]) if wanted.sinks else []
        if sinks:
            loaded = Goal(wanted.rows, _id_in(topic.last_key(), wanted.table))
            for sink in sinks:
                self._add(f"{sink.path}, load", sink.peer.name, sink.load(loaded, wanted.warm_rows))
        if "stream" in wanted.paths:
            self._stream(sources, sinks)
        if "rebuild" in wanted.paths:
            events = topic.read(0).values
            for sink in sinks:
                if sink.peer.name == HEADWATER:
                    self._add(f"{sink.path}, rebuild", HEADWATER, rebuild(sink.peer, sink.name, events, self._servers))
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
            goal = Goal(wanted.rows + changes.events, LAST_ID)
            timing = sink.follow(goal, changes.events, wanted.warm_rows)
            self._add(f"{sink.path}, changes", sink.peer.name, timing)

    def _sources(self) -> list[SourceRun]:
        """Headwater's first."""
        found = [self._source("headwater", partial(self._headwater, "source"), configs.headwater_source)]
        for version in self._wanted.debezium:
            group = f"debezium{version.replace('.', '')}"
            java = partial(self._java, f"Debezium {version}", f"postgres-{version}", group)
            by_default = self._wanted.debezium_by_default
            config = configs.debezium_source_by_default if by_default else configs.debezium_source
            found.append(self._source(group, java, config))
        return found

    def _source(
        self,
        prefix: str,
        peer: MakePeer,
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
        found = []
        if "postgres-view" in self._wanted.paths:
            peer = partial(self._headwater, "postgres-view")
            found.append(self._postgres_sink(source, "headwater", peer, configs.headwater_view))
            if self._wanted.debezium:
                java = partial(self._java, JDBC, "jdbc-3.5", "jdbc")
                found.append(self._postgres_sink(source, "jdbc", java, configs.debezium_view))
        if "parquet-view" in self._wanted.paths:
            folder, name = self._folder / "parquet", "parquet"

            def into_folder(topic: str, connector: str) -> dict[str, str]:
                return configs.parquet_view(topic, folder / connector)

            peer = partial(self._headwater, "parquet-view")
            found.append(self._sink("Parquet view", name, source, peer, ParquetView(folder, name), into_folder))
        return found

    def _postgres_sink(
        self, source: SourceRun, name: str, peer: MakePeer, config: Callable[[str, str, str], dict[str, str]]
    ) -> SinkRun:
        """In a database of the connector's name."""
        self._postgres.create_database(name)
        url, table = self._postgres.url(name), self._wanted.table
        view = PostgresView(self._postgres, name, table)

        def into_table(topic: str, connector: str) -> dict[str, str]:
            return config(topic, table.name if connector == name else connector, url)

        return self._sink("Postgres view", name, source, peer, view, into_table)

    def _sink(
        self,
        path: str,
        name: str,
        source: SourceRun,
        peer: MakePeer,
        view: View,
        config: Callable[[str, str], dict[str, str]],
    ) -> SinkRun:
        """`config` makes one of a topic and the connector's name."""
        warm = partial(config, source.warm_topic.name)
        first = {"name": f"{name}_warm_1", **warm(f"{name}_warm_1")}
        return SinkRun(path, name, peer(first), config(source.topic.name, name), warm, view, self._servers)

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
