"""Java's `.properties` format, with the line of every entry. Source: `java.util.Properties.load`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_BLANK: Final = " \t\f"
_SIMPLE_ESCAPES: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_LINE_END: Final = re.compile(r"\r\n|\n|\r")


class Entry(NamedTuple):
    key: str
    value: str
    line: int


class PropertiesError(ValueError):
    """`line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def read_properties(data: bytes) -> list[Entry]:
    """All entries in their order, repeated keys included. UTF-8, else Latin-1 as Java reads it.

    Raises `PropertiesError` for a broken `\\uXXXX`.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return [_entry(line, number) for line, number in _logical_lines(text)]


def _logical_lines(text: str) -> Iterator[tuple[str, int]]:
    """Lines with their continuations joined, comments and blank lines left out; the number of the first one."""
    joined, first = "", 0
    for number, line in enumerate(_LINE_END.split(text), 1):
        stripped = line.lstrip(_BLANK)
        if not first and (not stripped or stripped[0] in "#!"):
            continue
        first = first or number
        joined += stripped
        if (len(stripped) - len(stripped.rstrip("\\"))) % 2:
            joined = joined[:-1]
            continue
        if joined:
            yield joined, first
        joined, first = "", 0
    if joined:
        yield joined, first


def _entry(line: str, number: int) -> Entry:
    end = 0
    while end < len(line) and line[end] not in "=: \t\f":
        end += 2 if line[end] == "\\" else 1
    rest = line[end:].lstrip(_BLANK)
    if rest[:1] in ("=", ":"):
        rest = rest[1:].lstrip(_BLANK)
    return Entry(_unescape(line[:end], number), _unescape(rest, number), number)


def _unescape(text: str, line: int) -> str:
    def character(found: re.Match[str]) -> str:
        escaped = found[0][1:]
        if escaped[:1] != "u":
            return _SIMPLE_ESCAPES.get(escaped, escaped)
        if len(escaped) != 5:
            raise PropertiesError(r"a \u escape needs four hexadecimal digits", line)
        return chr(int(escaped[1:], 16))

    plain = re.sub(r"\\u[0-9a-fA-F]{4}|\\.|\\$", character, text, flags=re.DOTALL)
    # Java's characters are UTF-16 units: two escapes can be one character.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
