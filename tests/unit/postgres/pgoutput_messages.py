"""Builds pgoutput messages from the format's description, independently of the parser."""

from __future__ import annotations

import struct

from headwater.connectors.postgres.source.pgoutput import UNCHANGED, Value

POSTGRES_EPOCH_US = 946_684_800_000_000


def text(value: str) -> bytes:
    return value.encode() + b"\0"


def row(values: list[Value]) -> bytes:
    parts = [struct.pack(">H", len(values))]
    for value in values:
        if value is None:
            parts.append(b"n")
        elif value is UNCHANGED:
            parts.append(b"u")
        else:
            assert isinstance(value, bytes)
            parts.append(b"t" + struct.pack(">I", len(value)) + value)
    return b"".join(parts)


def begin(lsn: int, commit_us: int, xid: int) -> bytes:
    return b"B" + struct.pack(">QqI", lsn, commit_us - POSTGRES_EPOCH_US, xid)


def commit(lsn: int, end: int, commit_us: int) -> bytes:
    return b"C\0" + struct.pack(">QQq", lsn, end, commit_us - POSTGRES_EPOCH_US)


def origin(lsn: int, name: str) -> bytes:
    return b"O" + struct.pack(">Q", lsn) + text(name)


def relation(oid: int, schema: str, name: str, identity: str, columns: list[tuple[int, str, int, int]]) -> bytes:
    head = b"R" + struct.pack(">I", oid) + text(schema) + text(name) + identity.encode()
    body = (bytes([flags]) + text(column) + struct.pack(">Ii", type, typmod) for flags, column, type, typmod in columns)
    return head + struct.pack(">H", len(columns)) + b"".join(body)


def type_message(oid: int, schema: str, name: str) -> bytes:
    return b"Y" + struct.pack(">I", oid) + text(schema) + text(name)


def insert(oid: int, new: list[Value]) -> bytes:
    return b"I" + struct.pack(">I", oid) + b"N" + row(new)


def update(oid: int, old: list[Value] | None, kind: str | None, new: list[Value]) -> bytes:
    before = b"" if old is None or kind is None else kind.encode() + row(old)
    return b"U" + struct.pack(">I", oid) + before + b"N" + row(new)


def delete(oid: int, old: list[Value], kind: str) -> bytes:
    return b"D" + struct.pack(">I", oid) + kind.encode() + row(old)


def truncate(oids: list[int], cascade: bool, restart: bool) -> bytes:
    return b"T" + struct.pack(">IB", len(oids), cascade + 2 * restart) + struct.pack(f">{len(oids)}I", *oids)


def logical_message(transactional: bool, lsn: int, prefix: str, content: bytes) -> bytes:
    return b"M" + struct.pack(">BQ", transactional, lsn) + text(prefix) + struct.pack(">I", len(content)) + content
