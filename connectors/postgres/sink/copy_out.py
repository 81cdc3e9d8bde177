"""Rows as the server sends them, one after the other, in bounded memory.

Source: "Binary Format" in PostgreSQL's reference of COPY.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from headwater.worker.api import Fatal

from .connection import Connection
from .packing import HEADER

_int: Final = struct.Struct("!i")
_short: Final = struct.Struct("!h")


def copy_rows(connection: Connection, query: str) -> Iterator[list[bytes | None]]:
    """The fields of each row of a SELECT, in their types' binary form; None: NULL."""
    held = b""
    at = len(HEADER)
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT binary)") as copy:
        for chunk in copy:
            data = held + bytes(chunk) if held else bytes(chunk)
            while (row := _row(data, at)) is not None:
                fields, at = row
                yield fields
            if at:
                held, at = (data[at:], 0) if at <= len(data) else (b"", at - len(data))
            else:
                held = data
    if held[:2] != b"\xff\xff":
        raise Fatal("the server's COPY ended in the middle of a row")


def _row(data: bytes, at: int) -> tuple[list[bytes | None], int] | None:
    """The fields of the row that begins at `at`, and its end; None: it is not whole, or the trailer."""
    size = len(data)
    if at + 2 > size:
        return None
    width = _short.unpack_from(data, at)[0]
    if width < 0:
        return None
    at += 2
    fields: list[bytes | None] = []
    for _ in range(width):
        if at + 4 > size:
            return None
        length = _int.unpack_from(data, at)[0]
        at += 4
        if length < 0:
            fields.append(None)
            continue
        if at + length > size:
            return None
        fields.append(data[at : at + length])
        at += length
    return fields, at
