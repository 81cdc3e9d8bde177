"""Where a row comes from, as its record's headers and errors tell it."""

from __future__ import annotations

from typing import Final

from headwater.worker.api import DataError, Header, Record, Type, primitive

from .contract import BadRow, Unreadable

FILE_HEADER: Final = "headwater.file"
LINE_HEADER: Final = "headwater.line"
_TEXT: Final = primitive(Type.STRING)
_NUMBER: Final = primitive(Type.INT64)


def origin_headers(file: str, line: int) -> tuple[Header, ...]:
    """`file`: its path or URL."""
    return Header(FILE_HEADER, file, _TEXT), Header(LINE_HEADER, line, _NUMBER)


def bad_record(topic: str, file: str, line: int, bad: BadRow | Unreadable) -> tuple[Record, DataError]:
    """What stands for a row that makes no record, or for the rest of a file, and what is wrong with it."""
    if isinstance(bad, BadRow):
        raw, message = bad.raw, f"{file}, line {line}: the row {bad.reason}"
    else:
        message = f"{file} cannot be read from line {line} on: {bad}. Tolerated, the rest of it is left out"
        raw = b""
    return Record(topic, None, raw, headers=origin_headers(file, line)), DataError(message)
