"""Documents by part and id, for a fold that needs earlier values: in memory, and beyond a size in a temporary file."""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from headwater.worker.api import scratch_table

IN_MEMORY: Final = 64 * 1024 * 1024
"""Bytes of documents, about."""
_PER_ENTRY: Final = 300
_TABLE: Final = "CREATE TABLE document (part TEXT, id TEXT, source BLOB, version INTEGER, PRIMARY KEY (part, id))"


class Kept(NamedTuple):
    """`source`: JSON."""

    source: bytes
    version: int | None


Name = tuple[str, str]
"""Part and id."""


class Remembered:
    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._limit, self._bytes = in_memory, 0
        self._held: dict[Name, Kept] = {}
        self._file: sqlite3.Connection | None = None

    def get(self, name: Name) -> Kept | None:
        found = self._held.get(name)
        if found is None and self._file is not None:
            row = self._file.execute("SELECT source, version FROM document WHERE part = ? AND id = ?", name).fetchone()
            found = None if row is None else Kept(*row)
        return found

    def put(self, name: Name, kept: Kept) -> None:
        self._held[name] = kept
        self._bytes += len(kept.source) + _PER_ENTRY
        if self._bytes > self._limit:
            self._spill()

    def forget(self, name: Name) -> None:
        self._held.pop(name, None)
        if self._file is not None:
            self._file.execute("DELETE FROM document WHERE part = ? AND id = ?", name)

    def _spill(self) -> None:
        if self._file is None:
            self._file = scratch_table("headwater-verify-", _TABLE, any_thread=True)
        rows = [(*name, kept.source, kept.version) for name, kept in self._held.items()]
        self._file.execute("BEGIN")
        self._file.executemany("INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?)", rows)
        self._file.execute("COMMIT")
        self._held, self._bytes = {}, 0

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
