"""Arrays: `{1,NULL,"a b"}`, with `[2:3]=` in front where the index does not begin at 1.

An event holds as many dimensions as the column declares (`int[]` one, `int[][]` two). PostgreSQL does not enforce the
declaration: a value of another number of dimensions is an error of that row, unless it is empty.
Source: PostgreSQL docs, "Arrays", I/O syntax; array_out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from headwater.worker.api import array

from .column_type import ColumnType, Undecodable

_BOUNDS = re.compile(rb"(?:\[[+-]?\d+:[+-]?\d+\])+=")
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_MAX_DIMENSIONS = 6


def array_of(element: ColumnType, dimensions: int, delimiter: str) -> ColumnType:
    """`dimensions` is what the column declares; 0 (unknown) means 1."""
    depth = min(max(dimensions, 1), _MAX_DIMENSIONS)
    schema = element.schema.as_optional()
    for _ in range(depth - 1):
        schema = array(schema, optional=True)
    return ColumnType(array(schema), _decoder(element.decode, depth, delimiter.encode()))


def _decoder(element: Callable[[bytes], Any], depth: int, delimiter: bytes) -> Callable[[bytes], Any]:
    token = re.compile(
        rb"\{|\}|" + re.escape(delimiter) + rb'|"(?:[^"\\]|\\.)*"|[^{}"\\' + re.escape(delimiter) + rb"]+", re.DOTALL
    )

    def decode(text: bytes) -> Any:
        if text[:1] == b"[" and (bounds := _BOUNDS.match(text)):
            text = text[bounds.end() :]
        if text == b"{}":
            return []
        if depth == 1 and b'"' not in text and b"{" not in text[1:]:
            if text[:1] != b"{" or text[-1:] != b"}":
                raise ValueError("not an array")
            return [None if item == b"NULL" else element(item) for item in text[1:-1].split(delimiter)]
        return _nested(text, token, element, depth, delimiter)

    return decode


def _nested(
    text: bytes, token: re.Pattern[bytes], element: Callable[[bytes], Any], depth: int, delimiter: bytes
) -> Any:
    root: list[Any] = []
    open_lists = [root]
    at = 0
    while at < len(text):
        found = token.match(text, at)
        if found is None:
            raise ValueError("not an array")
        item = found.group()
        at = found.end()
        if item == b"{":
            inner: list[Any] = []
            open_lists[-1].append(inner)
            open_lists.append(inner)
            if len(open_lists) > depth + 1:
                raise _wrong_depth(depth)
        elif item == b"}":
            open_lists.pop()
            if not open_lists:
                raise ValueError("not an array: too many braces")
        elif item != delimiter:
            if len(open_lists) != depth + 1:
                raise _wrong_depth(depth)
            if item[:1] == b'"':
                open_lists[-1].append(element(_ESCAPE.sub(rb"\1", item[1:-1])))
            else:
                open_lists[-1].append(None if item == b"NULL" else element(item))
    if len(open_lists) != 1 or len(root) != 1:
        raise ValueError("not an array: braces do not match")
    return root[0]


def _wrong_depth(depth: int) -> Undecodable:
    return Undecodable(
        f"an array of another number of dimensions than the column declares ({depth}); declare them all "
        "(ALTER TABLE … TYPE integer[][]) or leave the column out with column.exclude.list"
    )
