"""CSV in its dialects: a row is a record of fields, which may hold line feeds where they are quoted.

Python's csv module decides what a record is; it is given one line at a time, so that the place behind each record is
known. Source of the rules where dialects agree: RFC 4180.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from headwater.worker.api import Schema, struct

from .contract import RAW_SHOWN, BadRow, Content, Place, Row, Unreadable
from .field_types import STRING, FieldType, field_type, guess
from .line_feed import BOM, lines
from .text_lines import too_long_reason

SAMPLE_ROWS = 100
SAMPLE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Dialect:
    """`quote` or `escape` empty: there is none. `header`: the first record names the columns. `columns`: their names
    where no header does. `null`: the text that stands for null. `types` None: guess them from the first rows."""

    delimiter: str = ","
    quote: str = '"'
    escape: str = ""
    header: bool = True
    skip_lines: int = 0
    columns: Sequence[str] = ()
    null: str = ""
    types: Mapping[str, FieldType] | None = field(default_factory=dict)
    encoding: str = "utf-8"
    most: int = 8 * 1024 * 1024


class Delimited:
    whole = False
    fields = True

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        csv.field_size_limit(sys.maxsize)  # row.max.bytes is the limit

    def rows(self, content: Content, start: Place) -> Iterator[Row | BadRow]:
        table = _Table.of(start.shape) if start.shape else None
        sample = _Sample()
        columns = None if self._dialect.header or not self._dialect.columns else self._columns(())
        for record in self._records(content, start):
            if table is not None:
                yield self._row(table, record)
                continue
            if columns is None and isinstance(record.values, str) and self._dialect.header:
                raise Unreadable(f"the header (line {record.line}) {record.values}")
            if columns is None and not isinstance(record.values, str):
                columns = self._columns(record.values)
                if self._dialect.header:
                    table = None if self._dialect.types is None else self._table(columns, ())
                    continue
            sample.add(record)
            if self._dialect.types is None and not sample.full():
                continue
            if columns is None:
                if not sample.full():
                    continue
                raise Unreadable("none of its first rows can be read")
            table = self._table(columns, sample.records)
            yield from (self._row(table, kept) for kept in sample.records)
        if table is None and columns is not None:
            table = self._table(columns, sample.records)
            yield from (self._row(table, kept) for kept in sample.records)

    def _records(self, content: Content, place: Place) -> Iterator[_Record]:
        """Good and bad ones, from `place` on, without empty lines. Starts anew behind the first line of a record that
        never ends: one stray quote shall not swallow the rest of the file."""
        skip = 0 if place.byte else self._dialect.skip_lines
        while True:
            with content.open(place.byte) as stream:
                feed = _Feed(stream, self._dialect, place, skip)
                skip = 0
                for record in feed.records(content.complete):
                    if record.values != []:
                        yield record
                    if record.next.byte != feed.place.byte:
                        place = record.next
                        break
                else:
                    return

    def _columns(self, first: Sequence[str]) -> list[str]:
        names = list(first) if self._dialect.header else list(self._dialect.columns)
        names = [name.strip() for name in names] or [""] * len(first)
        names = [name or f"column_{n}" for n, name in enumerate(names, 1)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise Unreadable(f"the header names {', '.join(twice)} twice")
        if unknown := sorted((self._dialect.types or {}).keys() - set(names)):
            raise Unreadable(f"the option types names columns that are not there: {', '.join(unknown)}")
        return names

    def _table(self, columns: Sequence[str], sample: Sequence[_Record]) -> _Table:
        given = self._dialect.types
        if given is not None:
            return _Table([(name, given.get(name, STRING)) for name in columns])
        rows = [r.values for r in sample if not isinstance(r.values, str) and len(r.values) == len(columns)]
        null = self._dialect.null
        return _Table([(name, guess(r[n] for r in rows if r[n] != null)) for n, name in enumerate(columns)])

    def _row(self, table: _Table, record: _Record) -> Row | BadRow:
        after = record.next._replace(shape=table.shape)
        if isinstance(record.values, str):
            return BadRow(record.raw[:RAW_SHOWN], record.values, record.line, after)
        if len(record.values) != len(table.columns):
            reason = f"has {len(record.values)} fields, not {len(table.columns)}"
            return BadRow(record.raw[:RAW_SHOWN], reason, record.line, after)
        null = self._dialect.null
        value: dict[str, Any] = {}
        try:
            for (name, kind), text in zip(table.columns, record.values, strict=True):
                value[name] = None if text == null else text if kind is STRING else kind.from_text(name, text)
        except ValueError as error:
            return BadRow(record.raw[:RAW_SHOWN], str(error), record.line, after)
        return Row(value, table.schema, record.line, after, after.byte - record.begin)


class _Table:
    """The columns of one file with their types."""

    def __init__(self, columns: Sequence[tuple[str, FieldType]]) -> None:
        self.columns = columns
        self.schema: Schema = struct({name: kind.schema for name, kind in columns})
        self.shape = json.dumps([[name, kind.name] for name, kind in columns], separators=(",", ":"))

    @classmethod
    def of(cls, shape: str) -> _Table:
        return cls([(name, field_type(kind)) for name, kind in json.loads(shape)])


@dataclass(slots=True)
class _Record:
    """`values`: its fields, or what is wrong with it. `begin`: its first byte."""

    values: Sequence[str] | str
    line: int
    begin: int
    next: Place
    raw: bytes = b""


class _Sample:
    """The first records, from which types are guessed: so many rows or bytes at most."""

    def __init__(self) -> None:
        self.records: list[_Record] = []
        self._bytes = 0

    def add(self, record: _Record) -> None:
        self.records.append(record)
        self._bytes += record.next.byte - record.begin

    def full(self) -> bool:
        return len(self.records) >= SAMPLE_ROWS or self._bytes >= SAMPLE_BYTES


class _Overlong(Exception):
    """The record is longer than the limit."""


class _Feed:
    """Lines for the csv module, counted. `place`: behind the last line that it took."""

    def __init__(self, stream: BinaryIO, dialect: Dialect, start: Place, skip: int) -> None:
        self._dialect = dialect
        self._lines = lines(stream, dialect.most)
        self._skip = skip
        self._starved = False
        self._taken: list[tuple[bytes, int, bool]] = []
        self._size = 0
        self.place = Place(start.byte, start.line)

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = next(self._lines, None)
        if line is None:
            self._starved = True
            raise StopIteration
        text, size, ended, too_long = line
        if not self.place.byte:
            text = text.removeprefix(BOM)
        self.place = Place(self.place.byte + size, self.place.line + 1)
        self._taken.append((text, size, ended))
        self._size += size
        if too_long or self._size > self._dialect.most + 1:
            raise _Overlong
        return text.decode(self._dialect.encoding) + "\n"

    def records(self, complete: bool) -> Iterator[_Record]:
        dialect = self._dialect
        reader = csv.reader(
            self,
            delimiter=dialect.delimiter,
            quotechar=dialect.quote or None,
            quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
            escapechar=dialect.escape or None,
            doublequote=not dialect.escape,
        )
        while True:
            begin = self.place
            self._taken.clear()
            self._size = 0
            values: Sequence[str] | str
            after_first = False
            try:
                if self._skip:
                    self._skip_line()
                    values = []
                else:
                    values = next(reader)
                    if self._starved:
                        values, after_first = "has a quote that is not closed before the file's end", True
            except StopIteration:
                return
            except _Overlong:
                after_first = len(self._taken) > 1
                what = "a quote that opens there is not closed: the row " if after_first else ""
                values = what + too_long_reason(self._size, dialect.most)
            except UnicodeDecodeError as error:
                values = f"is not {dialect.encoding}: {error.reason}"
            except csv.Error as error:
                values = f"is not CSV of this dialect: {error}"
            if (not self._taken[-1][2] and not complete) or (self._starved and not complete):
                return
            raw = b"\n".join(text for text, _, _ in self._taken) if isinstance(values, str) else b""
            following = self.place
            if after_first:
                following = Place(begin.byte + self._taken[0][1], begin.line + 1)
                raw = self._taken[0][0]
            yield _Record(values, begin.line + 1, begin.byte, following, raw)

    def _skip_line(self) -> None:
        self._skip -= 1
        with suppress(UnicodeDecodeError, _Overlong):  # whatever it holds
            next(self)
