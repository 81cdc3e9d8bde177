"""Lines of text: each is a row, a string."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.worker.api import Type, primitive

from .contract import RAW_SHOWN, BadRow, Content, Place, Row
from .line_feed import BOM, lines

TEXT = primitive(Type.STRING)


class TextLines:
    """`encoding`: one in which a line feed is the byte 0x0A. A line's end is a line feed, with or without a carriage
    return before it."""

    whole = False
    fields = False

    def __init__(self, encoding: str, most: int) -> None:
        self._encoding = encoding
        self._most = most

    def rows(self, content: Content, start: Place) -> Iterator[Row | BadRow]:
        byte, number, _, _ = start
        with content.open(byte) as stream:
            for text, size, ended, too_long in lines(stream, self._most):
                if not ended and not content.complete:
                    return
                if not byte:
                    text = text.removeprefix(BOM)
                byte += size
                number += 1
                place = Place(byte, number)
                if too_long:
                    yield BadRow(text, too_long_reason(size, self._most), number, place)
                    continue
                try:
                    value = text.removesuffix(b"\r").decode(self._encoding)
                except UnicodeDecodeError as error:
                    yield BadRow(text[:RAW_SHOWN], f"is not {self._encoding}: {error.reason}", number, place)
                else:
                    yield Row(value, TEXT, number, place, size)


def too_long_reason(size: int, most: int) -> str:
    return f"is longer ({size} bytes) than row.max.bytes allows ({most})"
