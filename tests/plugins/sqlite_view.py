"""A view in a SQLite file, with generations: small, but real, so that rebuilds are tested on what survives kill -9.

Records: string keys, JSON objects without a schema. `fields` are the columns that the view keeps. A row with a field
`refused` is what the database would not take.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing

from headwater.worker.api import (
    BUCKETS,
    ExpectedRow,
    Fatal,
    Features,
    Fenced,
    Finding,
    Fingerprint,
    GenerationInfo,
    Option,
    Options,
    OptionType,
    Record,
    Retriable,
    Sink,
    SinkBatch,
    SinkConnector,
    TaskContext,
    TopicPartition,
    Values,
    bucket,
    digest,
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS generation (number INTEGER PRIMARY KEY, current INTEGER, complete INTEGER, created_ms INTEGER
    );
CREATE TABLE IF NOT EXISTS position (generation INTEGER, topic TEXT, part INTEGER, next INTEGER,
    PRIMARY KEY (generation, topic, part));
CREATE TABLE IF NOT EXISTS view (generation INTEGER, topic TEXT, key TEXT, value TEXT,
    PRIMARY KEY (generation, topic, key));
CREATE TABLE IF NOT EXISTS refused (generation INTEGER, topic TEXT, part INTEGER, place INTEGER,
    PRIMARY KEY (generation, topic, part, place));
"""


def connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(SCHEMA)
    return connection


def shaped(value: Mapping[str, object], fields: Sequence[str]) -> str:
    return json.dumps({name: value.get(name) for name in fields}, sort_keys=True)


class SqliteViewSink(Sink):
    def open(self, context: TaskContext) -> None:
        self._generation = context.generation
        self._fields = context.values["fields"]
        self._db = connect(context.values["path"])
        self._rows: list[tuple[str, str, str | None]] = []
        self._refused: list[tuple[str, int | None, int | None]] = []
        self._first: dict[TopicPartition, int] = {}
        self._next: dict[TopicPartition, int] = {}
        if self._generation == 1:
            now = time.time_ns() // 1_000_000
            fresh = "SELECT 1, 1, 1, ? WHERE NOT EXISTS (SELECT * FROM generation)"
            self._db.execute(f"INSERT OR IGNORE INTO generation {fresh}", [now])
        if not self._db.execute("SELECT 1 FROM generation WHERE number = ?", [self._generation]).fetchone():
            raise Fatal(f"generation {self._generation} is not there")

    def assign(self, partitions: Mapping[TopicPartition, str]) -> dict[TopicPartition, int | None]:
        stored = positions(self._db, self._generation)
        return {tp: stored.get(tp) for tp in partitions}

    def write(self, batch: SinkBatch) -> None:
        for record in batch.records:
            if record.value and "refused" in record.value:
                self._refused.append((record.topic, record.partition, record.offset))
                continue
            value = None if record.value is None else shaped(record.value, self._fields)
            self._rows.append((record.topic, record.key, value))
        for tp, offset in batch.first.items():
            self._first.setdefault(tp, offset)
        self._next.update(batch.next)

    def flush(self) -> dict[TopicPartition, int]:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            stored = positions(db, self._generation)
            for tp, first in self._first.items():
                if stored.get(tp, first) != first:
                    raise Fenced(f"{tp} stands at {stored[tp]}, not at {first}")
            if not db.execute("SELECT 1 FROM generation WHERE number = ?", [self._generation]).fetchone():
                raise Fenced(f"generation {self._generation} was dropped")
            for topic, key, value in self._rows:
                db.execute(
                    "DELETE FROM view WHERE generation = ? AND topic = ? AND key = ?", [self._generation, topic, key]
                )
                if value is not None:
                    db.execute("INSERT INTO view VALUES (?, ?, ?, ?)", [self._generation, topic, key, value])
            for refused in self._refused:
                db.execute("INSERT OR IGNORE INTO refused VALUES (?, ?, ?, ?)", [self._generation, *refused])
            for tp, offset in self._next.items():
                db.execute("INSERT OR REPLACE INTO position VALUES (?, ?, ?, ?)", [self._generation, *tp, offset])
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        durable, self._rows, self._first, self._next = dict(self._next), [], {}, {}
        self._refused = []
        return durable

    def close(self) -> None:
        if hasattr(self, "_db"):
            self._db.close()


class SqliteReader:
    def __init__(self, path: str, generation: int) -> None:
        self._db = connect(path)
        self._generation = generation
        self._db.execute("BEGIN")
        self.offsets: Mapping[TopicPartition, int] = positions(self._db, generation)
        refused = self._db.execute("SELECT topic, part, place FROM refused WHERE generation = ?", [generation])
        self.refused = frozenset(refused)

    def _all(self) -> Iterator[tuple[str, bytes, int, str]]:
        rows = self._db.execute("SELECT topic, key, value FROM view WHERE generation = ?", [self._generation])
        for topic, key, value in rows:
            yield topic, key.encode(), digest(f"{key} {value}".encode()), value

    def fingerprint(self) -> dict[str, list[Fingerprint]]:
        found: dict[str, list[Fingerprint]] = {}
        for topic, key, checksum, _ in self._all():
            found.setdefault(topic, [Fingerprint() for _ in range(BUCKETS)])[bucket(key)].add(checksum)
        return found

    def rows(self, part: str, buckets: Sequence[int]) -> Iterator[tuple[bytes, int, str]]:
        return ((key, checksum, f"{key.decode()} {value}") for topic, key, checksum, value in self._all()
                if topic == part and bucket(key) in buckets)  # fmt: skip

    def close(self) -> None:
        self._db.close()


class SqliteGenerations:
    every_record = False

    def __init__(self, path: str, fields: Sequence[str], refuse: str, rows_of_others: str) -> None:
        self._path = path
        self._fields = fields
        self._refuse = refuse
        self.rows_of_others = rows_of_others
        self._db = connect(path)

    def list(self) -> list[GenerationInfo]:
        rows = self._db.execute("SELECT number, current, complete, created_ms FROM generation ORDER BY 1").fetchall()
        return [GenerationInfo(n, bool(current), bool(complete), at) for n, current, complete, at in rows]

    def preflight(self, samples: Mapping[str, Record]) -> Sequence[Finding]:
        if self._refuse:
            return [Finding("error", "target", self._refuse)]
        return [Finding("ok", "target", f"{len(samples)} tables")]

    def create(self, number: int, samples: Mapping[str, Record]) -> None:
        now = time.time_ns() // 1_000_000
        self._db.execute("INSERT OR IGNORE INTO generation VALUES (?, 0, 0, ?)", [number, now])

    def offsets(self, number: int) -> dict[TopicPartition, int]:
        return positions(self._db, number)

    def finish_load(self, number: int) -> None:
        self._db.execute("UPDATE generation SET complete = 1 WHERE number = ?", [number])

    def pin(self, number: int) -> SqliteReader:
        return SqliteReader(self._path, number)

    def expect(self, records: Iterable[Record]) -> Iterator[ExpectedRow]:
        for record in records:
            gone = record.value is None
            wanted = None if gone else json.dumps({f: record.value.get(f) for f in self._fields}, sort_keys=True)
            key = record.key.encode()
            row = None if gone else digest(key + b" " + (wanted or "").encode())
            filled = gone or "unfilled" not in record.value
            yield ExpectedRow(record.topic, key, row, record.version, filled)

    def compare_source(self, number: int) -> Sequence[Finding]:
        return []

    def promote(self, number: int, instead_of: int | None) -> None:
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise Retriable(str(error)) from error
        seen = [n for (n,) in db.execute("SELECT number FROM generation WHERE current = 1")]
        if seen != ([] if instead_of is None else [instead_of]):
            db.execute("ROLLBACK")
            raise Fatal(f"readers see generations {seen}, not {instead_of}")
        db.execute("UPDATE generation SET current = (number = ?)", [number])
        db.execute("COMMIT")

    def drop(self, number: int) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        for table in ("view", "position", "refused"):
            self._db.execute(f"DELETE FROM {table} WHERE generation = ?", [number])
        self._db.execute("DELETE FROM generation WHERE number = ? AND NOT current", [number])
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()


class SqliteViewConnector(SinkConnector):
    options = Options(
        Option("path", doc="The SQLite file."),
        Option("fields", OptionType.LIST, doc="The columns that the view keeps."),
        Option("refuse", default="", doc="Makes the preflight fail with this message."),
        Option("others", default="", doc="Why some rows are not the view's."),
    )
    version = "1.0"
    features = Features(exactly_once=True, deletes=True, generations=True)
    doc = "Keeps a view in a SQLite file."

    def task(self) -> Sink:
        return SqliteViewSink()

    def generations(self, values: Values, view: str) -> SqliteGenerations:
        return SqliteGenerations(values["path"], values["fields"], values["refuse"], values["others"])


def positions(db: sqlite3.Connection, generation: int) -> dict[TopicPartition, int]:
    rows = db.execute("SELECT topic, part, next FROM position WHERE generation = ?", [generation])
    return {TopicPartition(topic, part): offset for topic, part, offset in rows}


def rows_of(path: str, generation: int | None = None) -> dict[tuple[str, str], dict[str, object]]:
    """What a reader sees: the rows of the current generation, or of the given one."""
    with closing(connect(path)) as db:
        where = "generation = coalesce(?, (SELECT number FROM generation WHERE current = 1))"
        rows = db.execute(f"SELECT topic, key, value FROM view WHERE {where}", [generation]).fetchall()
        return {(topic, key): json.loads(value) for topic, key, value in rows}
