"""Bytes -> lines, in memory that a line without an end cannot exhaust."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from .contract import RAW_SHOWN

CHUNK = 256 * 1024
BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """`text` without the line feed; `size` with it. `ended`: there was one. `too_long`: `text` is its beginning."""

    text: bytes
    size: int
    ended: bool = True
    too_long: bool = False


def lines(stream: BinaryIO, most: int) -> Iterator[Line]:
    """All lines; one of more than `most` bytes comes as its beginning. Only the last may be without an end."""
    rest = b""
    while chunk := stream.read(CHUNK):
        parts = (rest + chunk).split(b"\n")
        rest = parts.pop()
        for part in parts:
            yield _line(part, len(part) + 1, most)
        if len(rest) > most:
            beginning, size = rest[:RAW_SHOWN], len(rest)
            rest = b""
            while chunk := stream.read(CHUNK):
                end = chunk.find(b"\n")
                if end >= 0:
                    yield Line(beginning, size + end + 1, True, True)
                    # At most one chunk, and lines in it are short, or the next round finds out.
                    *parts, rest = chunk[end + 1 :].split(b"\n")
                    for part in parts:
                        yield _line(part, len(part) + 1, most)
                    break
                size += len(chunk)
            else:
                yield Line(beginning, size, False, True)
    if rest:
        yield _line(rest, len(rest), most)._replace(ended=False)


def _line(text: bytes, size: int, most: int) -> Line:
    return Line(text, size) if len(text) <= most else Line(text[:RAW_SHOWN], size, True, True)
