"""Config files as a tree of texts with line numbers, whatever their format, and how it becomes flat dotted options."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MOST_OPTIONS: Final = 10_000
"""Of one connector; more means aliases that multiply ("billion laughs")."""
DEEPEST: Final = 50
_ORDERED: Final = ("transforms", "predicates")


@dataclass(frozen=True, slots=True)
class Scalar:
    """`text` as written (booleans in lower case); None: null."""

    text: str | None
    line: int
    column: int = 1


@dataclass(frozen=True, slots=True)
class Sequence:
    items: list[Node]
    line: int
    column: int = 1


class Entry(NamedTuple):
    key: str
    line: int
    node: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """Entries in their order; a key may stand there twice."""

    entries: list[Entry]
    line: int
    column: int = 1

    def get(self, key: str) -> Node | None:
        return next((entry.node for entry in self.entries if entry.key == key), None)


Node = Scalar | Sequence | Mapping


class TextError(Exception):
    """The text cannot be read at all. Line and column count from 1."""

    def __init__(self, message: str, line: int, column: int = 1) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class Wrong(NamedTuple):
    """One thing wrong in a file; `option` may be empty."""

    line: int
    option: str
    message: str
    hint: str = ""


@dataclass(slots=True)
class Flat:
    """Options by dotted name, the line of each, and what was wrong on the way."""

    options: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    wrong: list[Wrong] = field(default_factory=list)


def flatten(mapping: Mapping) -> Flat:
    """Nested keys joined by dots, lists by commas.

    `transforms` and `predicates` written as a mapping of names also give the list of these names, in their order.
    """
    flat = Flat()
    for name, line, node in _leaves(mapping, "", 0, flat):
        if len(flat.lines) >= MOST_OPTIONS:
            flat.wrong.append(Wrong(line, "", f"more than {MOST_OPTIONS} options"))
            break
        _add(flat, name, line, node)
    for section in _ORDERED:
        nested = [e for e in mapping.entries if e.key == section and isinstance(e.node, Mapping)]
        if nested and section not in flat.options:
            names = [entry.key.partition(".")[0] for e in nested for entry in e.node.entries]  # type: ignore[union-attr]
            flat.options[section] = ",".join(dict.fromkeys(names))
            flat.lines[section] = nested[0].line
    return flat


def _leaves(mapping: Mapping, prefix: str, depth: int, flat: Flat) -> Iterator[tuple[str, int, Scalar | Sequence]]:
    for key, line, node in mapping.entries:
        name = prefix + key
        if isinstance(node, Mapping):
            if depth >= DEEPEST:
                flat.wrong.append(Wrong(line, name, "is nested too deeply"))
            elif not node.entries:
                flat.wrong.append(Wrong(line, name, "holds nothing", "leave it out"))
            else:
                yield from _leaves(node, f"{name}.", depth + 1, flat)
        else:
            yield name, line, node


def _add(flat: Flat, name: str, line: int, node: Scalar | Sequence) -> None:
    if name in flat.lines:
        message = f"given twice, in line {flat.lines[name]} and in line {line}"
        flat.wrong.append(Wrong(line, name, message, "keep one; nested and dotted keys are the same"))
        return
    flat.lines[name] = line
    if isinstance(node, Scalar):
        if node.text is None:
            flat.wrong.append(Wrong(line, name, "has no value", "leave the option out to get its default"))
        else:
            flat.options[name] = node.text
        return
    texts = []
    for item in node.items:
        if not isinstance(item, Scalar) or item.text is None:
            flat.wrong.append(Wrong(item.line, name, "a list may hold plain values only"))
        elif "," in item.text:
            hint = "the items are joined by commas: write the whole list as one string"
            flat.wrong.append(Wrong(item.line, name, "an item of a list cannot hold a comma", hint))
        else:
            texts.append(item.text)
    flat.options[name] = ",".join(texts)
