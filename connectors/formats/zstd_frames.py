"""Does zstd data end with a whole frame? The decompressor stops at a cut as if it were the end.

Source of the format: RFC 8878, sections 3.1.1 and 3.1.2.
"""

from __future__ import annotations

from typing import BinaryIO

_MAGIC = 0xFD2FB528
_SKIPPABLE = 0x184D2A50


def ends_whole(raw: BinaryIO) -> bool:
    """Reads the headers of its frames and blocks alone, from the beginning on."""
    size = raw.seek(0, 2)
    at = 0
    while at < size:
        after = _after_frame(raw, at)
        if after is None or after > size:
            return False
        at = after
    return True


def _after_frame(raw: BinaryIO, at: int) -> int | None:
    """Where the frame at `at` ends; None: not in these bytes."""
    magic = _number(raw, at, 4)
    if magic is None:
        return None
    if magic & 0xFFFFFFF0 == _SKIPPABLE:
        length = _number(raw, at + 4, 4)
        return None if length is None else at + 8 + length
    descriptor = _number(raw, at + 4, 1)
    if magic != _MAGIC or descriptor is None:
        return None
    single = descriptor >> 5 & 1
    content_size = (single, 2, 4, 8)[descriptor >> 6]
    dictionary = (0, 1, 2, 4)[descriptor & 3]
    at += 5 + (1 - single) + dictionary + content_size
    last = False
    while not last:
        header = _number(raw, at, 3)
        if header is None:
            return None
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        at += 3 + (1 if kind == 1 else size)  # 1: one byte, repeated
    return at + (4 if descriptor & 4 else 0)


def _number(raw: BinaryIO, at: int, size: int) -> int | None:
    raw.seek(at)
    data = raw.read(size)
    return int.from_bytes(data, "little") if len(data) == size else None
