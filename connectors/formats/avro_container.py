"""Avro's object container file, block by block, so that the place of each block is known.

Source of the format: Apache Avro 1.12 specification, "Object Container Files": magic, metadata map, 16 bytes of sync
marker; then blocks of: count (long), size (long), so many bytes (compressed), sync marker.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, NamedTuple

from .contract import Unreadable

_MAGIC: Final = b"Obj\x01"
_SYNC: Final = 16


class MoreToCome(Exception):
    """The bytes end in the midst of a header or block."""


class Block(NamedTuple):
    """`begin` and `end`: bytes of the content. `data`: its rows, not compressed."""

    begin: int
    end: int
    rows: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Container:
    """What the header says. `end`: its first byte behind it."""

    schema: Any
    codec: str
    sync: bytes
    end: int


def read_header(stream: BinaryIO) -> Container:
    """At the beginning of a stream. Raises `MoreToCome`, `Unreadable`."""
    counted = _Counted(stream, 0)
    if counted.exactly(4) != _MAGIC:
        raise Unreadable("it is no Avro file (object container)")
    metadata: dict[str, bytes] = {}
    while count := counted.long():
        if count < 0:
            counted.long()
        for _ in range(abs(count)):
            name = counted.sized().decode("utf-8", "replace")
            metadata[name] = counted.sized()
    sync = counted.exactly(_SYNC)
    codec = metadata.get("avro.codec", b"null").decode("utf-8", "replace")
    if codec not in CODECS:
        raise Unreadable(f"its blocks are compressed with {codec}; {', '.join(CODECS)} can be read")
    try:
        schema = json.loads(metadata["avro.schema"])
    except (KeyError, ValueError) as error:
        raise Unreadable(f"its header has no schema: {error!r}") from error
    return Container(schema, codec, sync, counted.at)


def read_block(stream: BinaryIO, at: int, container: Container, most: int) -> Block | None:
    """The one at `at`, where the stream stands; None at the end. Raises `MoreToCome`, `Unreadable`."""
    counted = _Counted(stream, at)
    first = stream.read(1)
    if not first:
        return None
    rows, size = counted.long(first), counted.long()
    if rows < 0 or size < 0:
        raise Unreadable(f"the block at byte {at} is damaged")
    if size > most:
        raise Unreadable(f"the block at byte {at} has {size} bytes, more than block.max.bytes ({most})")
    data = counted.exactly(size)
    if counted.exactly(_SYNC) != container.sync:
        raise Unreadable(f"the block at byte {at} does not end with the file's marker")
    try:
        return Block(at, counted.at, rows, CODECS[container.codec](data, most))
    except (zlib.error, ValueError, EOFError) as error:
        raise Unreadable(f"the block at byte {at} cannot be decompressed: {error}") from error


class _Counted:
    def __init__(self, stream: BinaryIO, at: int) -> None:
        self._stream, self.at = stream, at

    def exactly(self, size: int) -> bytes:
        if not 0 <= size < 1 << 31:
            raise Unreadable(f"a length at byte {self.at} is damaged")
        data = self._stream.read(size)
        self.at += len(data)
        if len(data) < size:
            raise MoreToCome
        return data

    def sized(self) -> bytes:
        return self.exactly(self.long())

    def long(self, first: bytes = b"") -> int:
        """Zigzag, seven bits a byte, the lowest first. `first`: its first byte, read already."""
        number = shift = 0
        while True:
            byte = first or self.exactly(1)
            self.at += len(first)
            first = b""
            number |= (byte[0] & 0x7F) << shift
            shift += 7
            if byte[0] < 0x80:
                return (number >> 1) ^ -(number & 1)
            if shift > 63:
                raise Unreadable(f"a number before byte {self.at} is damaged")


def _deflate(data: bytes, most: int) -> bytes:
    return _whole(zlib.decompressobj(-15), data, most)


def _whole(decompressor: Any, data: bytes, most: int) -> bytes:
    found: bytes = decompressor.decompress(data, most + 1)
    if len(found) > most:
        raise ValueError(f"it is longer than block.max.bytes ({most})")
    return found


def _zstandard(data: bytes, most: int) -> bytes:
    try:
        import zstandard
    except ImportError as error:
        raise Unreadable("its blocks are compressed with zstandard: pip install 'headwater[zstd]'") from error
    with zstandard.ZstdDecompressor().stream_reader(data) as reader:
        try:
            found: bytes = reader.read(most + 1)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
    if len(found) > most:
        raise ValueError(f"it is longer than block.max.bytes ({most})")
    return found


CODECS: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "null": lambda data, most: data,
    "deflate": _deflate,
    "zstandard": _zstandard,
}
