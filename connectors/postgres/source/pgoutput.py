"""Messages of the output plugin pgoutput, protocol version 1, column values in text format.

Source: PostgreSQL docs, "Logical Replication Message Formats". LSNs are ints, times microseconds since the Unix epoch.
A row is a list with one entry a column, in the order of its `Relation`: text as bytes, None for NULL, or `UNCHANGED`
for a TOASTed value that the update did not touch and the server therefore did not send.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from headwater.worker.api import Fatal

from .frame import POSTGRES_EPOCH_US
from .lsn import format_lsn


class Unchanged:
    """The type of `UNCHANGED`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = Unchanged()

Value = bytes | None | Unchanged
Row = list[Value]


@dataclass(slots=True)
class Begin:
    final_lsn: int
    commit_us: int
    xid: int


@dataclass(slots=True)
class Commit:
    """`commit_lsn` equals the `final_lsn` of its Begin; `end_lsn` is where the next transaction may start."""

    commit_lsn: int
    end_lsn: int
    commit_us: int


@dataclass(slots=True)
class Origin:
    """The transaction came from another server, where it was committed at `commit_lsn`."""

    commit_lsn: int
    name: str


@dataclass(frozen=True, slots=True)
class RelationColumn:
    """`key`: part of the replica identity that is sent with updates and deletes."""

    key: bool
    name: str
    type_oid: int
    typmod: int


@dataclass(frozen=True, slots=True)
class Relation:
    oid: int
    schema: str
    name: str
    replica_identity: str
    """d (default), n (nothing), f (full) or i (index)."""
    columns: tuple[RelationColumn, ...]


@dataclass(slots=True)
class TypeMessage:
    """Announces a type that is not built in, before a Relation that uses it."""

    oid: int
    schema: str
    name: str


@dataclass(slots=True)
class Insert:
    relation_oid: int
    new: Row


@dataclass(slots=True)
class Update:
    """`old_kind`: "K" (`old` holds the changed key alone, the rest None), "O" (the whole row) or None (no `old`)."""

    relation_oid: int
    old: Row | None
    old_kind: Literal["K", "O"] | None
    new: Row


@dataclass(slots=True)
class Delete:
    relation_oid: int
    old: Row
    old_kind: Literal["K", "O"]


@dataclass(slots=True)
class Truncate:
    oids: tuple[int, ...]
    cascade: bool
    restart: bool


@dataclass(slots=True)
class LogicalMessage:
    """Written by pg_logical_emit_message. A non-transactional one stands outside Begin and Commit."""

    transactional: bool
    lsn: int
    prefix: str
    content: bytes


Message = (
    Begin | Commit | Origin | Relation | TypeMessage | Insert | Update | Delete | Truncate | LogicalMessage
)  # fmt: skip


class _Malformed(Exception):
    pass


_SHORT = struct.Struct(">H").unpack_from
_INT = struct.Struct(">I").unpack_from
_LONG = struct.Struct(">Q").unpack_from
_BEGIN = struct.Struct(">QqI").unpack_from
_COMMIT = struct.Struct(">xQQq").unpack_from
_COLUMN = struct.Struct(">Ii").unpack_from
_MESSAGE = struct.Struct(">BQ").unpack_from


def parse(data: bytes | memoryview, lsn: int | None = None) -> Message:
    """Parse one message. `lsn` is only for the error: the `XLogData.start_lsn` that carried it.

    Raises `Fatal` for a message that is of unknown kind, cut short or too long.
    """
    message = data if isinstance(data, bytes) else bytes(data)
    kind = message[:1]
    where = "" if lsn is None else f" at {format_lsn(lsn)}"
    reader = _READERS.get(kind)
    if reader is None:
        raise Fatal(
            f"the replication stream holds a message of unknown kind {kind!r}{where}; nothing after it was read. "
            "Headwater speaks pgoutput protocol version 1: check that the slot's plugin is pgoutput"
        )
    try:
        return reader(message)
    except (struct.error, IndexError, ValueError, _Malformed) as error:
        raise Fatal(
            f"the replication stream holds a malformed message of kind {kind!r}{where} ({len(message)} bytes: "
            f"{error}); nothing after it was read. A restart reads it again from the slot"
        ) from None


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode(), end + 1


def _row(data: bytes, at: int) -> tuple[Row, int]:
    (count,) = _SHORT(data, at)
    at += 2
    values: Row = []
    add = values.append
    for _ in range(count):
        kind = data[at]
        if kind == 0x74:  # 't': text
            start = at + 5
            at = start + _INT(data, at + 1)[0]
            add(data[start:at])
        elif kind == 0x6E:  # 'n': NULL
            at += 1
            add(None)
        elif kind == 0x75:  # 'u': unchanged TOAST
            at += 1
            add(UNCHANGED)
        else:
            raise _Malformed(f"column value of unknown kind {kind:#04x}")
    return values, at


def _end(data: bytes, at: int) -> None:
    if at != len(data):
        raise _Malformed(f"it should end at byte {at}")


def _begin(data: bytes) -> Begin:
    _end(data, 21)
    lsn, time_us, xid = _BEGIN(data, 1)
    return Begin(lsn, time_us + POSTGRES_EPOCH_US, xid)


def _commit(data: bytes) -> Commit:
    _end(data, 26)
    lsn, end, time_us = _COMMIT(data, 1)
    return Commit(lsn, end, time_us + POSTGRES_EPOCH_US)


def _origin(data: bytes) -> Origin:
    name, at = _text(data, 9)
    _end(data, at)
    return Origin(_LONG(data, 1)[0], name)


def _relation(data: bytes) -> Relation:
    schema, at = _text(data, 5)
    name, at = _text(data, at)
    identity = chr(data[at])
    (count,) = _SHORT(data, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        flags = data[at]
        column, at = _text(data, at + 1)
        type_oid, typmod = _COLUMN(data, at)
        at += 8
        columns.append(RelationColumn(bool(flags & 1), column, type_oid, typmod))
    _end(data, at)
    # the server sends an empty name for pg_catalog
    return Relation(_INT(data, 1)[0], schema or "pg_catalog", name, identity, tuple(columns))


def _type(data: bytes) -> TypeMessage:
    schema, at = _text(data, 5)
    name, at = _text(data, at)
    _end(data, at)
    return TypeMessage(_INT(data, 1)[0], schema or "pg_catalog", name)


def _insert(data: bytes) -> Insert:
    if data[5] != 0x4E:  # 'N'
        raise _Malformed("an insert without a new row")
    row, at = _row(data, 6)
    _end(data, at)
    return Insert(_INT(data, 1)[0], row)


def _update(data: bytes) -> Update:
    old: Row | None = None
    old_kind: Literal["K", "O"] | None = None
    at = 5
    if data[at] in (0x4B, 0x4F):  # 'K', 'O'
        old_kind = "K" if data[at] == 0x4B else "O"
        old, at = _row(data, at + 1)
    if data[at] != 0x4E:
        raise _Malformed("an update without a new row")
    new, at = _row(data, at + 1)
    _end(data, at)
    return Update(_INT(data, 1)[0], old, old_kind, new)


def _delete(data: bytes) -> Delete:
    if data[5] not in (0x4B, 0x4F):
        raise _Malformed("a delete without an old row")
    old, at = _row(data, 6)
    _end(data, at)
    return Delete(_INT(data, 1)[0], old, "K" if data[5] == 0x4B else "O")


def _truncate(data: bytes) -> Truncate:
    (count,) = _INT(data, 1)
    flags = data[5]
    _end(data, 6 + 4 * count)
    return Truncate(struct.unpack_from(f">{count}I", data, 6), bool(flags & 1), bool(flags & 2))


def _logical_message(data: bytes) -> LogicalMessage:
    flags, lsn = _MESSAGE(data, 1)
    prefix, at = _text(data, 10)
    (length,) = _INT(data, at)
    _end(data, at + 4 + length)
    return LogicalMessage(bool(flags & 1), lsn, prefix, data[at + 4 :])


_READERS: Final[dict[bytes, Callable[[bytes], Message]]] = {
    b"B": _begin,
    b"C": _commit,
    b"O": _origin,
    b"R": _relation,
    b"Y": _type,
    b"I": _insert,
    b"U": _update,
    b"D": _delete,
    b"T": _truncate,
    b"M": _logical_message,
}
