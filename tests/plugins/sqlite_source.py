"""A source whose database is a SQLite table of changes: small, but it can be read again at an exact point."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence

from headwater.worker.api import (
    Batch,
    Features,
    Option,
    Options,
    Partition,
    Position,
    Record,
    Source,
    SourceConnector,
    SourceRows,
    TaskContext,
)


def change(path: str, key: str, value: Mapping[str, object] | None) -> None:
    """A committed change of the database: a row put, or gone where `value` is None."""
    with sqlite3.connect(path, timeout=10) as db:
        db.execute("CREATE TABLE IF NOT EXISTS change (lsn INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT, value TEXT)")
        db.execute("INSERT INTO change (key, value) VALUES (?, ?)", [key, None if value is None else json.dumps(value)])


class SqliteSource(Source):
    def open(self, context: TaskContext, positions: Sequence[tuple[Partition, Position]]) -> None:
        self._topic = context.values["topic"]
        self._db = sqlite3.connect(context.values["path"], timeout=10)
        self._lsn = max((position["commit_lsn"] - 1 for _, position in positions), default=0)
        self._fresh = not positions

    def read(self, timeout_s: float) -> Batch | None:
        rows = self._db.execute("SELECT lsn, key, value FROM change WHERE lsn > ? ORDER BY lsn LIMIT 100", [self._lsn])
        records = [
            Record(self._topic, key, None if value is None else json.loads(value), version=lsn)
            for lsn, key, value in rows
        ]
        if not records and not self._fresh:
            time.sleep(min(timeout_s, 0.05))
            return None
        if records:
            assert records[-1].version is not None
            self._lsn = records[-1].version
        complete = {self._topic: self._lsn} if self._fresh else {}
        self._fresh = False
        return Batch(
            records, [({"db": "one"}, {"format": 1, "epoch": 0, "commit_lsn": self._lsn + 1})], complete=complete
        )

    def close(self) -> None:
        if hasattr(self, "_db"):
            self._db.close()


class SqliteSourceConnector(SourceConnector):
    options = Options(Option("path", doc="The SQLite file."), Option("topic", doc="The topic to write."))
    version = "1.0"
    features = Features(exactly_once=True, snapshot=True, deletes=True)
    doc = "Reads changes from a SQLite file."

    def task(self) -> Source:
        return SqliteSource()

    def source_rows(
        self,
        values: Mapping[str, object],
        topics: Sequence[str],
        positions: Sequence[tuple[Partition, Position]] = (),
    ) -> SourceRows:
        with sqlite3.connect(str(values["path"]), timeout=10) as db:
            version = int(db.execute("SELECT coalesce(max(lsn), 0) FROM change").fetchone()[0])
            newest = "SELECT key, value, max(lsn) FROM change GROUP BY key"
            rows = [(key, value) for key, value, _ in db.execute(newest).fetchall() if value is not None]
        topic = str(values["topic"])
        return SourceRows(version, [Record(topic, key, json.loads(value), version=version) for key, value in rows])
