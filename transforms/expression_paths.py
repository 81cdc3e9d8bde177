"""What an expression reads, found in its text: paths from its variables, loops within each other.

Source of the tokens: https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax. The text has been compiled.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

_TOKEN: Final = re.compile(
    r"""//[^\n]*|\s+
    |(?P<raw>[bB]?[rR][bB]?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*'))
    |(?P<text>[bB]?(?:\"{3}(?:\\.|.)*?\"{3}|'{3}(?:\\.|.)*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<name>[A-Za-z_]\w*)|(?P<number>\d[\w.]*)|(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_LOOPS: Final = frozenset(("map", "filter", "all", "exists", "exists_one"))
_COLLECTING: Final = frozenset(("map", "filter"))
_GROWING: Final = frozenset(("string", "bytes"))
_NONE: Final = object()

Wanted = dict[str, Any] | None
"""Names that are read within a value, each with those within it; None: the whole value."""


class Shape(NamedTuple):
    """`path`: the variable and the names behind it, where the whole expression is nothing else.

    `roots`: the variables that are read. `loops`: how many stand within each other at most. `grows`: how many places
    make new text or lists. `collects`: a loop makes a list. `splits`: text becomes a list.
    """

    path: tuple[str, ...] | None
    roots: dict[str, Wanted]
    loops: int
    grows: int
    collects: bool
    splits: bool


def shape(text: str, variables: Collection[str]) -> Shape:
    tokens = [(found.lastgroup, found[0]) for found in _TOKEN.finditer(text) if found.lastgroup]
    roots: dict[str, Wanted] = {}
    of_loops = _of_loops(tokens)
    whole = None
    place = 0
    while place < len(tokens):
        kind, word = tokens[place]
        after_dot = place > 0 and tokens[place - 1][1] == "."
        if kind != "name" or after_dot or word not in variables or place in of_loops or _at(tokens, place + 1) == "(":
            place += 1
            continue
        path = [word]
        place += 1
        while _at(tokens, place) == "." and _kind(tokens, place + 1) == "name" and _at(tokens, place + 2) != "(":
            path.append(tokens[place + 1][1])
            place += 2
        _add(roots, path)
        if len(path) * 2 - 1 == len(tokens):
            whole = tuple(path)
    grows = sum(
        (kind == "other" and word == "+") or (kind == "name" and word in _GROWING and _at(tokens, n + 1) == "(")
        for n, (kind, word) in enumerate(tokens)
    )
    called = {word for n, (kind, word) in enumerate(tokens) if kind == "name" and _at(tokens, n + 1) == "("}
    return Shape(whole, roots, _nested(tokens), grows, bool(called & _COLLECTING), "split" in called)


def merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """What is read by one or the other."""
    for name, wanted in more.items():
        known = into.get(name, _NONE)
        if known is _NONE:
            into[name] = None if wanted is None else {}
            known = into[name]
        if wanted is None:
            into[name] = None
        elif known is not None:
            merge(known, wanted)


def _add(roots: dict[str, Wanted], path: list[str]) -> None:
    if len(path) == 1:
        roots[path[0]] = None
        return
    here = roots.setdefault(path[0], {})
    for name in path[1:-1]:
        if here is None:
            return
        here = here.setdefault(name, {})
    if here is not None:
        here[path[-1]] = None


def _of_loops(tokens: Sequence[tuple[str | None, str]]) -> set[int]:
    """Where a loop's own variable stands, whatever else is called so: `value.list.exists(item, item > 1)`."""
    own: set[int] = set()
    named: list[str] = []
    """Of each bracket that is open; empty where it is no loop's."""
    for place, (kind, word) in enumerate(tokens):
        if kind == "other" and word == "(":
            loop = _opens_loop(tokens, place) and _kind(tokens, place + 1) == "name" and _at(tokens, place + 2) == ","
            named.append(_at(tokens, place + 1) if loop else "")
        elif kind == "other" and word == ")" and named:
            named.pop()
        elif kind == "name" and word in named:
            own.add(place)
    return own


def _opens_loop(tokens: Sequence[tuple[str | None, str]], place: int) -> bool:
    return place > 1 and tokens[place - 1][1] in _LOOPS and tokens[place - 2][1] == "."


def _nested(tokens: Sequence[tuple[str | None, str]]) -> int:
    most, open_loops = 0, 0
    opened: list[bool] = []
    for place, (kind, word) in enumerate(tokens):
        if kind == "other" and word == "(":
            loop = _opens_loop(tokens, place)
            opened.append(loop)
            open_loops += loop
            most = max(most, open_loops)
        elif kind == "other" and word == ")" and opened:
            open_loops -= opened.pop()
    return most


def _at(tokens: Sequence[tuple[str | None, str]], place: int) -> str:
    return tokens[place][1] if place < len(tokens) else ""


def _kind(tokens: Sequence[tuple[str | None, str]], place: int) -> str | None:
    return tokens[place][0] if place < len(tokens) else None
