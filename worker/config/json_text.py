"""JSON -> tree of texts with line numbers, which the standard library's parser does not give."""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder
from typing import Final

from .nodes import DEEPEST, Entry, Mapping, Node, Scalar, Sequence, TextError

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_WORD: Final = re.compile(r"true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")


_STRINGS: Final = JSONDecoder()


def read_json(text: str) -> list[Node]:
    """The one value of a file, as a list; numbers stay as they are written. Raises `TextError`."""
    reader = _Reader(text)
    node = reader.value(0)
    if reader.skip() < len(text):
        raise reader.error("text after the end")
    return [node]


class _Reader:
    """A recursive descent over RFC 8259's grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip(self) -> int:
        found = _SPACE.match(self.text, self.at)
        assert found  # matches the empty text too
        self.at = found.end()
        return self.at

    def place(self, at: int | None = None) -> tuple[int, int]:
        at = self.at if at is None else at
        return self.text.count("\n", 0, at) + 1, at - self.text.rfind("\n", 0, at)

    def error(self, message: str, at: int | None = None) -> TextError:
        return TextError(message, *self.place(at))

    def value(self, depth: int) -> Node:
        self.skip()
        line, column = self.place()
        if depth > DEEPEST:
            raise self.error("nested too deeply")
        opening = self.text[self.at : self.at + 1]
        if opening == "{":
            return Mapping(self.entries(depth), line, column)
        if opening == "[":
            return Sequence(self.items(depth), line, column)
        if opening == '"':
            return Scalar(self.string(), line, column)
        found = _WORD.match(self.text, self.at)
        if not found:
            raise self.error("a value is expected here")
        self.at = found.end()
        return Scalar(None if found[0] == "null" else found[0], line, column)

    def string(self) -> str:
        try:
            text, self.at = _STRINGS.raw_decode(self.text, self.at)
        except JSONDecodeError as error:
            raise self.error(error.msg.removesuffix(" starting at"), error.pos) from error
        return str(text)

    def entries(self, depth: int) -> list[Entry]:
        entries: list[Entry] = []
        self.at += 1
        while self.goes_on("}", bool(entries)):
            line, _ = self.place()
            if self.text[self.at : self.at + 1] != '"':
                raise self.error("a key in double quotes is expected here")
            key = self.string()
            self.skip()
            if self.text[self.at : self.at + 1] != ":":
                raise self.error("a colon is expected here")
            self.at += 1
            entries.append(Entry(key, line, self.value(depth + 1)))
        return entries

    def items(self, depth: int) -> list[Node]:
        items: list[Node] = []
        self.at += 1
        while self.goes_on("]", bool(items)):
            items.append(self.value(depth + 1))
        return items

    def goes_on(self, closing: str, comma: bool) -> bool:
        """Is there another item? Passes the comma before it, or the closing bracket."""
        self.skip()
        here = self.text[self.at : self.at + 1]
        if here == closing:
            self.at += 1
            return False
        if comma:
            if here != ",":
                raise self.error(f"a comma or {closing} is expected here")
            self.at += 1
            self.skip()
        return True
