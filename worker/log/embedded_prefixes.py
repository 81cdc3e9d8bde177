"""Prefixes of keys and values in the embedded log: each is stored once, records hold its id and the rest.

A prefix belongs to a partition and is registered in the transaction that uses it first. It never changes and goes with
its partition's last record after the topic was deleted, never before; so whoever sees a record can see its prefix.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from .contract import LogError
from .embedded_store import Store
from .prefix_choice import Kind, PrefixChoice

_MOST_PREFIXES: Final = 64
_RECORDS_PER_PREFIX: Final = 4096
"""A partition may have `_MOST_PREFIXES`, and one more for so many records ever written to it, of each kind."""

_MOST_LOADED: Final = 64
_MOST_HELD_BYTES: Final = 64 << 20
_MOST_CACHED_BYTES: Final = 32 << 20

RECORD_BYTES: Final = (
    "ifnull(length(key), 0) + ifnull(length(headers), 0) + ifnull(length(value), 0) "
    "+ ifnull((SELECT length(bytes) FROM prefix WHERE id = key_prefix), 0) "
    "+ ifnull((SELECT length(bytes) FROM prefix WHERE id = value_prefix), 0)"
)
"""SQL: a record's size as it was sent, which `retention.bytes` counts; not what the file saves by prefixes."""


class PrefixWriter:
    """What one producer knows of prefixes. It may be wrong after a transaction that was not committed: `forget`."""

    def __init__(self) -> None:
        self._choices: dict[tuple[int, Kind], PrefixChoice] = {}
        self._held_bytes = 0

    def forget(self) -> None:
        """Everything is read anew from the file when it is needed."""
        self._choices = {}
        self._held_bytes = 0

    def split(
        self, connection: sqlite3.Connection, partition: tuple[int, int], kind: Kind, items: Sequence[bytes | None]
    ) -> tuple[list[int | None], list[bytes | None]] | None:
        """Per item a prefix's id and the rest; within the caller's transaction. None: all are short, none has a prefix.

        `partition`: id and end offset.
        """
        if max(map(len, filter(None, items)), default=0) < kind.long:
            return None
        choice = self._choices.get((partition[0], kind))
        if choice is None:
            choice = PrefixChoice(kind)
            _load_newer(connection, partition[0], kind, choice)
            self._choices[partition[0], kind] = choice
            self._held_bytes += choice.held_bytes
        before = choice.held_bytes
        split = choice.split(items, lambda to, new: _register(connection, partition, kind, to, new))
        self._held_bytes += choice.held_bytes - before
        if self._held_bytes > _MOST_HELD_BYTES:
            self.forget()
        return split


class PrefixCache(dict[int, bytes]):
    """Prefixes by their id, read from the file when first asked for. Ids are never given out twice."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._cached_bytes = 0

    def __missing__(self, prefix_id: int) -> bytes:
        """Raises `LogError` for one that is not in the file."""
        rows = self._store.read("SELECT bytes FROM prefix WHERE id = ?", (prefix_id,))
        if not rows:
            raise LogError(
                f"embedded log {self._store.path}: a record needs prefix {prefix_id}, which is not there: the file is "
                "damaged. Put back a copy, or move the file away: sources then start with new snapshots."
            )
        prefix: bytes = rows[0][0]
        self._cached_bytes += len(prefix)
        if self._cached_bytes > _MOST_CACHED_BYTES:
            self.clear()
            self._cached_bytes = len(prefix)
        self[prefix_id] = prefix
        return prefix


def _load_newer(connection: sqlite3.Connection, partition_id: int, kind: Kind, choice: PrefixChoice) -> None:
    for prefix_id, prefix in connection.execute(
        "SELECT id, bytes FROM prefix WHERE partition = ? AND kind = ? AND id > ? ORDER BY id DESC LIMIT ?",
        (partition_id, kind.code, choice.newest, _MOST_LOADED),
    ).fetchall():
        choice.add(prefix_id, prefix)


def _register(
    connection: sqlite3.Connection, partition: tuple[int, int], kind: Kind, choice: PrefixChoice, new: bytes
) -> None:
    """Another producer may have registered what is needed: its prefixes come first, and a full table gets no more."""
    partition_id, end_offset = partition
    newest = choice.newest
    _load_newer(connection, partition_id, kind, choice)
    if choice.newest != newest:
        return
    ((count,),) = connection.execute(
        "SELECT count(*) FROM prefix WHERE partition = ? AND kind = ?", (partition_id, kind.code)
    ).fetchall()
    if count < _MOST_PREFIXES + end_offset // _RECORDS_PER_PREFIX:
        row = connection.execute(
            "INSERT INTO prefix (partition, kind, bytes) VALUES (?, ?, ?)", (partition_id, kind.code, new)
        )
        assert row.lastrowid is not None
        choice.add(row.lastrowid, new)
