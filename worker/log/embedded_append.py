"""A buffered transaction, and how it gets into the embedded log: all of it in one SQLite transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field

from headwater.worker.api import Fenced

from .contract import LogError, UnknownTopic
from .embedded_format import OFFSET_BITS
from .embedded_groups import store_offsets
from .embedded_prefixes import PrefixWriter
from .embedded_store import Store
from .prefix_choice import KEYS, VALUES


@dataclass(slots=True)
class Rows:
    """Records of one partition in order, a list per column: SQLite is fed from them without a tuple per record."""

    topic: str
    timestamps_ms: list[int] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    headers: list[bytes | None] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    bytes: int = 0

    def extend(self, other: Rows) -> None:
        self.timestamps_ms += other.timestamps_ms
        self.keys += other.keys
        self.headers += other.headers
        self.values += other.values
        self.bytes += other.bytes


@dataclass(slots=True)
class Transaction:
    """`rows`: by partition id. `offsets`: group -> partition id -> next offset."""

    rows: dict[int, Rows] = field(default_factory=dict)
    offsets: dict[str, dict[int, int]] = field(default_factory=dict)

    def add(self, rows: Mapping[int, Rows]) -> None:
        for key, more in rows.items():
            known = self.rows.get(key)
            if known is None:
                self.rows[key] = more
            else:
                known.extend(more)

    def empty(self) -> bool:
        return not self.rows and not self.offsets


def apply_transaction(
    store: Store, transaction: Transaction, fence: tuple[str, int] | None, prefixes: PrefixWriter
) -> None:
    """Durable, all of it, when it returns; after an error, none of it.

    `fence`: transactional id and the epoch that it must still have. Raises `Fenced`, `UnknownTopic` (a topic was
    deleted meanwhile), `Retriable`, `LogError`.
    """
    try:
        with store.write() as connection:
            if fence is not None:
                check_epoch(connection.execute(PRODUCER_EPOCH, fence[:1]).fetchall(), fence)
            for key, rows in transaction.rows.items():
                _append(connection, key, rows, prefixes)
            for group, offsets in transaction.offsets.items():
                store_offsets(connection, group, offsets)
    except BaseException:
        prefixes.forget()
        raise


def next_epoch(store: Store, transactional_id: str, now_ms: int) -> int:
    """Make this the one producer of its transactional id."""
    with store.write() as connection:
        ((epoch,),) = connection.execute(
            "INSERT INTO producer VALUES (?, 0, ?) ON CONFLICT (transactional_id) "
            "DO UPDATE SET epoch = epoch + 1, since_ms = excluded.since_ms RETURNING epoch",
            (transactional_id, now_ms),
        ).fetchall()
    return int(epoch)


PRODUCER_EPOCH = "SELECT epoch FROM producer WHERE transactional_id = ?"


def check_epoch(rows: list[tuple[int]], fence: tuple[str, int]) -> None:
    """`rows`: the answer to `PRODUCER_EPOCH`. Raises `Fenced`."""
    if rows != [(fence[1],)]:
        raise Fenced(
            f"another producer has taken over the transactional id {fence[0]}; nothing of this transaction was "
            "written. This task stops, the other one goes on."
        )


def _append(connection: sqlite3.Connection, key: int, rows: Rows, prefixes: PrefixWriter) -> None:
    count = len(rows.keys)
    ends = connection.execute(
        "UPDATE partition SET end_offset = end_offset + ?, rows = rows + ?, bytes = bytes + ? WHERE id = ? "
        "RETURNING end_offset",
        (count, count, rows.bytes, key),
    ).fetchall()
    if not ends:
        raise UnknownTopic(f"topic {rows.topic} was deleted before its records were written; nothing was written")
    end = ends[0][0]
    if end >> OFFSET_BITS:
        raise LogError(f"topic {rows.topic}: a partition of the embedded log holds at most {1 << OFFSET_BITS} offsets")
    first = key << OFFSET_BITS | (end - count)
    ids = range(first, first + count)
    split_keys = prefixes.split(connection, (key, end), KEYS, rows.keys)
    split_values = prefixes.split(connection, (key, end), VALUES, rows.values)
    if split_keys is None and split_values is None:
        connection.executemany(
            "INSERT INTO record (id, timestamp_ms, key, headers, value) VALUES (?, ?, ?, ?, ?)",
            zip(ids, rows.timestamps_ms, rows.keys, rows.headers, rows.values, strict=True),
        )
        return
    key_prefixes, keys = split_keys or ([None] * count, rows.keys)
    value_prefixes, values = split_values or ([None] * count, rows.values)
    connection.executemany(
        "INSERT INTO record (id, timestamp_ms, key_prefix, key, headers, value_prefix, value) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        zip(ids, rows.timestamps_ms, key_prefixes, keys, rows.headers, value_prefixes, values, strict=True),
    )
