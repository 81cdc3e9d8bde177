"""Rows of COPY … TO STDOUT in text format.

Source: PostgreSQL docs, COPY, "Text Format".
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_MEANING: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def parse_line(line: bytes) -> list[bytes | None]:
    """One row, with or without its newline, as text values; None is NULL."""
    if line[-1:] == b"\n":
        line = line[:-1]
    fields = line.split(b"\t")
    if b"\\" not in line:
        return fields  # type: ignore[return-value]
    return [_field(field) if b"\\" in field else field for field in fields]


def parse_lines(block: bytes | bytearray | memoryview) -> list[list[bytes | None]]:
    """All rows of a block of whole lines; one CopyData message is one line or more."""
    whole = bytes(block)
    lines = whole.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [parse_line(line) for line in lines]


def _field(field: bytes) -> bytes | None:
    return None if field == b"\\N" else _ESCAPE.sub(_unescape, field)


def _unescape(found: re.Match[bytes]) -> bytes:
    return _MEANING.get(found.group(1)) or found.group(1)
