"""Avro object container files. A place is a block's first byte and the rows of it that were read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .avro_container import Block, Container, MoreToCome, read_block, read_header
from .avro_schema import Mapped, SchemaMapping, plain
from .contract import BadRow, Content, Place, Row, Unreadable


@dataclass(frozen=True, slots=True)
class _Reader:
    """How the rows of one file are decoded: `many` is its schema in an array, so that a block is one value."""

    container: Container
    many: Any
    row: Mapped


class Avro:
    """`most`: bytes that a block may have, also decompressed."""

    whole = False
    fields = True

    def __init__(self, most: int) -> None:
        self._most = most

    def rows(self, content: Content, start: Place) -> Iterator[Row | BadRow]:
        try:
            with content.open() as stream:
                reader = _reader(read_header(stream))
            yield from self._blocks(content, start, reader)
        except MoreToCome:
            if content.complete:
                raise Unreadable("its data is cut off") from None

    def _blocks(self, content: Content, start: Place, reader: _Reader) -> Iterator[Row]:
        at, line, skip = start.byte or reader.container.end, start.line, start.row
        with content.open(at) as stream:
            while (block := read_block(stream, at, reader.container, self._most)) is not None:
                values = _decode(reader, block)
                size = len(block.data) // max(1, block.rows)
                for number, value in enumerate(values[skip:], skip + 1):
                    line += 1
                    place = Place(at, line, number) if number < block.rows else Place(block.end, line)
                    yield Row(reader.row.of(value), reader.row.schema, line, place, size)
                at, skip = block.end, 0


def _reader(container: Container) -> _Reader:
    import fastavro
    from fastavro.schema import SchemaParseException, UnknownType

    try:
        many = fastavro.parse_schema({"type": "array", "items": plain(container.schema)})
        return _Reader(container, many, SchemaMapping().of(container.schema))
    except (SchemaParseException, UnknownType, KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"its schema is none that Avro knows: {error!r}") from error


def _decode(reader: _Reader, block: Block) -> list[Any]:
    import fastavro

    data = io.BytesIO(_long(block.rows) + block.data + b"\x00" if block.rows else b"\x00")
    try:
        values: Any = fastavro.schemaless_reader(data, reader.many, None, return_record_name=True,
                                                       return_record_name_override=True)  # fmt: skip
    except (EOFError, IndexError, KeyError, ValueError, TypeError, OverflowError, StopIteration) as error:
        raise Unreadable(f"the block at byte {block.begin} does not fit its schema: {error!r}") from error
    if data.read(1) or len(values) != block.rows:
        raise Unreadable(f"the block at byte {block.begin} does not fit its schema: it is longer")
    return [*values]


def _long(number: int) -> bytes:
    """Zigzag; `number` is not negative."""
    number <<= 1
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
