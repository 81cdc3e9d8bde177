"""Which records of a partition are the newest of their keys: found by one pass over it, kept in a temporary file.

Memory is bounded whatever the number of keys: the file holds a digest, a version and an offset for each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from headwater.worker.api import TopicPartition, scratch_table

_TABLE: Final = (
    "CREATE TABLE newest (part TEXT, key BLOB, version INTEGER, offset INTEGER, gone INTEGER, "
    "PRIMARY KEY (part, key)) WITHOUT ROWID"
)
_MERGE: Final = (
    "INSERT INTO newest VALUES (?, ?, ?, ?, ?) ON CONFLICT (part, key) DO UPDATE SET version = excluded.version, "
    "offset = excluded.offset, gone = excluded.gone WHERE excluded.version >= newest.version"
)
_KEPT: Final = "SELECT offset FROM newest WHERE part = ? AND offset >= ? AND NOT gone ORDER BY offset"


class Newest:
    """Add each partition's records in the order of their offsets, then ask for those that count."""

    def __init__(self) -> None:
        self._file = scratch_table("headwater-newest-", _TABLE)
        self._held: list[tuple[str, bytes, int, int, bool]] = []

    def add(self, partition: TopicPartition, key: bytes | None, version: int | None, offset: int, gone: bool) -> None:
        """`version` None: the record has none, and counts as older than any that has. `gone`: it is a tombstone. A
        record without a key is the newest of its own."""
        name = b"o%d" % offset if key is None else b"k" + hashlib.blake2b(key, digest_size=16).digest()
        self._held.append((str(partition), name, -1 if version is None else version, offset, gone))
        if len(self._held) >= 10_000:
            self._write()

    def _write(self) -> None:
        if not self._held:
            return
        self._file.execute("BEGIN")
        self._file.executemany(_MERGE, self._held)
        self._file.execute("COMMIT")
        self._held.clear()

    def offsets(self, partition: TopicPartition, first: int) -> Iterator[int]:
        """From `first` on, rising."""
        self._write()
        return (row[0] for row in self._file.execute(_KEPT, [str(partition), first]))

    def close(self) -> None:
        self._file.close()
