"""Bytes in memory as content, and ways to read them that must all give the same."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable
from typing import BinaryIO

import zstandard

from headwater.connectors.formats import START, BadRow, Format, Row, decompressed


def compress(data: bytes, codec: str) -> bytes:
    if codec == "gzip":
        return gzip.compress(data, 1)
    return zstandard.ZstdCompressor().compress(data) if codec == "zstd" else data


class InMemory:
    def __init__(self, data: bytes, codec: str = "none", complete: bool = True) -> None:
        self.data, self.codec, self.complete = data, codec, complete

    def open(self, at: int = 0) -> BinaryIO:
        return decompressed(io.BytesIO(self.data), self.codec, at, self.complete)


def read_all(format: Format, data: bytes, codec: str = "none") -> list[Row | BadRow]:
    return list(format.rows(InMemory(compress(data, codec), codec), START))


def read_in_steps(format: Format, data: bytes, steps: Iterable[int], codec: str = "none") -> list[Row | BadRow]:
    """So many rows each time, then anew from the last place."""
    content = InMemory(compress(data, codec), codec)
    found: list[Row | BadRow] = []
    for step in steps:
        place = found[-1].next if found else START
        for row in format.rows(content, place):
            found.append(row)
            step -= 1
            if step <= 0:
                break
    return found + list(format.rows(content, found[-1].next if found else START))


def read_growing(format: Format, data: bytes, lengths: Iterable[int]) -> list[Row | BadRow]:
    """While it is written: at these lengths it is not complete yet."""
    found: list[Row | BadRow] = []
    for length in sorted(lengths):
        found += format.rows(InMemory(data[:length], complete=False), found[-1].next if found else START)
    return found + list(format.rows(InMemory(data), found[-1].next if found else START))


def values(rows: Iterable[Row | BadRow]) -> list[object]:
    return [row.value for row in rows if isinstance(row, Row)]


def bad(rows: Iterable[Row | BadRow]) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in rows if isinstance(row, BadRow)]
