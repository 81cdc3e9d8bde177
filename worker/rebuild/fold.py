"""The state that a view should have, folded from records: for each row the newest of what they make of it.

Memory is bounded: beyond a number of keys the fold goes on in a temporary SQLite file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from headwater.worker.api import BUCKETS, ExpectedRow, Fingerprint, bucket, scratch_table

IN_MEMORY: Final = 200_000
"""Keys held in memory before they go to the file; about 250 bytes each."""

EVERY_ROW: Final = b""
"""Key of an expected row without digest that says: the whole part is empty now (a truncate)."""

_TABLE: Final = (
    "CREATE TABLE expected (part TEXT, key BLOB, bucket INTEGER, digest BLOB, version INTEGER, filled INTEGER, "
    "first INTEGER, PRIMARY KEY (part, key)) WITHOUT ROWID"
)
_MERGE: Final = (
    "INSERT INTO expected VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (part, key) DO UPDATE "
    "SET digest = excluded.digest, version = excluded.version, filled = excluded.filled "
    "WHERE (excluded.version IS NULL OR expected.version IS NULL OR excluded.version >= expected.version) "
    "AND (NOT excluded.first OR expected.digest IS NULL)"
)


_EMPTY: Final = (
    "UPDATE expected SET digest = NULL, version = ? WHERE part = ? AND (? IS NULL OR version IS NULL OR version <= ?)"
)


class _Newest(NamedTuple):
    """`first`: it counts only if the file has no such row."""

    digest: int | None
    version: int | None
    filled: bool = True
    first: bool = False


def _above(held: int | None, version: int | None) -> bool:
    return held is not None and version is not None and held > version


class Fold:
    """Add every record's rows in log order; a lower version never wins over a higher one, an equal one does. Rows that
    are marked `first` never win over one that is there."""

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._limit = in_memory
        self._rows: dict[tuple[str, bytes], _Newest] = {}
        self._file: sqlite3.Connection | None = None
        self._emptied: dict[str, int] = {}
        """The newest version that emptied a part: what is older comes late."""
        self.first_counts = False
        """Was a row marked `first`?"""

    def add(self, rows: Iterable[ExpectedRow]) -> None:
        held = self._rows
        for part, key, digest, version, filled, first in rows:
            if first:
                self.first_counts = True
            if key == EVERY_ROW and digest is None:
                self._empty(part, version)
                continue
            if _above(self._emptied.get(part), version):
                continue
            before = held.get((part, key))
            if before and (first or before.first) and self._file is not None and version is not None:
                self._spill()  # with versions, what comes next depends on whether it counted
                before = None
            if before and (_above(before.version, version) or (first and before.digest is not None)):
                continue
            held[part, key] = _Newest(digest, version, filled, first and before is None and self._file is not None)
            if len(held) > self._limit:
                self._spill()

    def _empty(self, part: str, version: int | None) -> None:
        if version is not None:
            self._emptied[part] = max(version, self._emptied.get(part, version))
        if self._file is not None:
            self._spill()
        for place, row in self._rows.items():
            if place[0] == part and not _above(row.version, version):
                self._rows[place] = _Newest(None, version)
        if self._file is not None:
            self._file.execute(_EMPTY, [version, part, version, version])

    def _spill(self) -> None:
        if self._file is None:
            self._file = scratch_table("headwater-verify-", _TABLE)
        rows = [
            (
                part,
                key,
                bucket(key),
                None if new.digest is None else new.digest.to_bytes(16, "big"),
                new.version,
                new.filled,
                new.first,
            )
            for (part, key), new in self._rows.items()
        ]
        self._file.execute("BEGIN")
        self._file.executemany(_MERGE, rows)
        self._file.execute("COMMIT")
        self._rows.clear()

    def fingerprint(self) -> dict[str, list[Fingerprint]]:
        """For each part, `BUCKETS` fingerprints of the rows that should be there."""
        found: dict[str, list[Fingerprint]] = {}
        for part, key, digest in self._all():
            if part not in found:
                found[part] = [Fingerprint() for _ in range(BUCKETS)]
            found[part][bucket(key)].add(digest)
        return found

    @property
    def unfilled(self) -> set[tuple[str, bytes]]:
        """Part and key of the rows that should be there, but of which the records do not tell every value."""
        if self._file is None:
            return {place for place, new in self._rows.items() if new.digest is not None and not new.filled}
        self._spill()
        return set(self._file.execute("SELECT part, key FROM expected WHERE digest IS NOT NULL AND NOT filled"))

    def rows(self, part: str, buckets: Iterable[int]) -> Iterator[tuple[bytes, int]]:
        """Key and digest of each row of these buckets."""
        wanted = frozenset(buckets)
        return ((key, digest) for p, key, digest in self._all(part) if bucket(key) in wanted)

    def _all(self, only: str | None = None) -> Iterator[tuple[str, bytes, int]]:
        if self._file is None:
            for (part, key), new in self._rows.items():
                if new.digest is not None and only in (None, part):
                    yield part, key, new.digest
            return
        self._spill()
        cursor = self._file.execute(
            "SELECT part, key, digest FROM expected WHERE digest IS NOT NULL AND part = coalesce(?, part)", [only]
        )
        for part, key, digest in cursor:
            yield part, key, int.from_bytes(digest, "big")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
