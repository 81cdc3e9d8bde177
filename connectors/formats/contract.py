"""What a format is: bytes from a place on -> rows, each with the place where the next one begins.

Files and objects are read alike: a source gives the `Content`, keeps the `Place` in its position, and goes on there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple, Protocol

from headwater.worker.api import Schema


class Place(NamedTuple):
    """Where the next row begins. `byte`: offset in the decompressed bytes; `line`: lines, or rows of a format without
    lines, before it; `row`: rows after `byte` that have been read, for formats whose rows lie in blocks; `shape`: what
    the format learned at the beginning (CSV: columns and their types, JSON), so that it stays so."""

    byte: int = 0
    line: int = 0
    row: int = 0
    shape: str = ""


START: Final = Place()


class Row(NamedTuple):
    """`line`: its own number, from 1. `size`: bytes of memory, about."""

    value: Any
    schema: Schema | None
    line: int
    next: Place
    size: int


class BadRow(NamedTuple):
    """A row that cannot be read; what follows `next` can. `raw`: its bytes, at most the first thousand."""

    raw: bytes
    reason: str
    line: int
    next: Place


RAW_SHOWN = 1_000


class Unreadable(Exception):
    """The rest of the content cannot be read: damaged, cut off, or not of this format."""


class Content(Protocol):
    """The bytes of one file or object. `complete`: nothing more will be added to them."""

    @property
    def complete(self) -> bool: ...

    def open(self, at: int = 0) -> BinaryIO:
        """The decompressed bytes from `at` on; the caller closes it. It can be sought in where `whole` formats read.

        Reading it raises `Unreadable`; bytes that are not all there yet end early where the content is not complete.
        """
        ...


class Format(Protocol):
    """`whole`: content can be read only once it is complete. `fields`: values have fields by name."""

    whole: bool
    fields: bool

    def rows(self, content: Content, start: Place) -> Iterator[Row | BadRow]:
        """All rows from `start` on. A last row that may still grow is held back until the content is complete.

        Raises `Unreadable`.
        """
        ...
