"""Positions that Kafka Connect's FileStreamSource has stored.

It counts UTF-16 units, and skips as many bytes when it starts again: right where all is ASCII; elsewhere it repeats
what it has read, from the midst of a line on. Here positions count bytes; one of Java's is recognised where it does not
stand behind a line's end, and is counted out.
"""

from __future__ import annotations

import codecs
import logging
from typing import Protocol

log = logging.getLogger(__name__)

_CHUNK = 1024 * 1024


class _File(Protocol):
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def read(self, size: int = -1, /) -> bytes | None: ...


def byte_position(file: _File, stored: int, path: str) -> int:
    """Where to read on, in bytes."""
    if not stored or _behind_an_end(file, stored):
        return stored
    counted = _bytes_of_units(file, stored)
    if counted is not None and _behind_an_end(file, counted):
        log.warning("%s: the stored position %d stands for %d bytes, as Kafka Connect counts", path, stored, counted)
        return counted
    log.warning("%s: the stored position %d is not behind the end of a line; it is read from there on", path, stored)
    return stored


def _behind_an_end(file: _File, at: int) -> bool:
    file.seek(at - 1)
    return file.read(1) in (b"\n", b"\r")


def _bytes_of_units(file: _File, units: int) -> int | None:
    """How many bytes so many UTF-16 units took; None: the file has fewer, or does not show it."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    file.seek(0)
    size = 0
    while data := file.read(_CHUNK):
        try:
            text = decoder.decode(data)
        except UnicodeDecodeError:
            return None
        here = len(text) + sum(character > "\uffff" for character in text)
        if here < units:
            units -= here
            size += len(text.encode())
            continue
        for character in text:
            if units <= 0:
                break
            units -= 2 if character > "\uffff" else 1
            size += len(character.encode())
        return size
    return None
