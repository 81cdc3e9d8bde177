"""An option is declared once. From it come parsing, all errors at once, REST `validate`, the reference and JSON Schema.

Types and importance are Kafka's (org.apache.kafka.common.config.ConfigDef).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from .errors import Problem


class OptionType(StrEnum):
    BOOLEAN = "BOOLEAN"
    STRING = "STRING"
    INT = "INT"
    LONG = "LONG"
    DOUBLE = "DOUBLE"
    LIST = "LIST"
    CLASS = "CLASS"
    PASSWORD = "PASSWORD"  # noqa: S105 - the name of a type


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


@dataclass(frozen=True, slots=True)
class Option:
    """`name` is a full-match regular expression where `pattern` is set (`column\\.mask\\.with\\.\\d+\\.chars`).

    `choices` compare without regard to case and give the spelling listed here. `validate` gets the parsed value and
    returns what is wrong with it, or None. `aliases` are older names of the same option.
    """

    name: str
    type: OptionType = OptionType.STRING
    default: Any = REQUIRED
    doc: str = ""
    choices: tuple[str, ...] = ()
    validate: Callable[[Any], str | None] | None = None
    aliases: tuple[str, ...] = ()
    importance: str = "medium"
    group: str = ""
    pattern: bool = False

    @property
    def secret(self) -> bool:
        return self.type is OptionType.PASSWORD


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A name that Kafka Connect or Debezium knows and we refuse: never ignored, an ignored mask leaks data."""

    name: str
    reason: str
    pattern: bool = False
    harmless: tuple[str, ...] = ()
    """Values (lower case) under which the option changes nothing, and which are therefore accepted."""


class Values(Mapping[str, Any]):
    """Parsed values by full option name, defaults filled in; pattern options stand under their concrete names."""

    __slots__ = ("_given", "_values")

    def __init__(self, values: Mapping[str, Any], given: Iterable[str] = ()) -> None:
        self._values = dict(values)
        self._given = frozenset(given)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def given(self, name: str) -> bool:
        """Did the user write it, or is it the default?"""
        return name in self._given

    def matching(self, pattern: str) -> Iterator[tuple[re.Match[str], Any]]:
        """Given options whose name matches `pattern` whole, with the match."""
        for name in self._values:
            if found := re.fullmatch(pattern, name):
                yield found, self._values[name]

    def __repr__(self) -> str:
        return f"Values({sorted(self._values)})"  # names alone: values may be secret


class Options:
    """All options of one plugin."""

    def __init__(self, *entries: Option | Unsupported) -> None:
        self.entries = entries
        self._exact: dict[str, Option | Unsupported] = {}
        self._patterns = [(re.compile(e.name), e) for e in entries if e.pattern]
        for entry in entries:
            if not entry.pattern:
                self._exact[entry.name] = entry
            for alias in entry.aliases if isinstance(entry, Option) else ():
                self._exact[alias] = entry

    def __add__(self, other: Options) -> Options:
        return Options(*self.entries, *other.entries)

    def __iter__(self) -> Iterator[Option]:
        return (entry for entry in self.entries if isinstance(entry, Option))

    def find(self, name: str) -> Option | Unsupported | None:
        if entry := self._exact.get(name):
            return entry
        return next((entry for pattern, entry in self._patterns if pattern.fullmatch(name)), None)

    def parse(self, raw: Mapping[str, str | None]) -> tuple[Values, list[Problem]]:
        """Turn text into values; every problem is reported, none is raised. Problems never quote a secret."""
        values: dict[str, Any] = {}
        given: dict[str, str] = {}
        problems: list[Problem] = []
        for name, text in raw.items():
            entry = self.find(name)
            if entry is None:
                problems.append(Problem(name, "unknown option", self._suggest(name), text))
            elif isinstance(entry, Unsupported):
                if (text or "").strip().lower() not in entry.harmless:
                    problems.append(Problem(name, "not supported by Headwater", entry.reason, text))
            else:
                target = name if entry.pattern else entry.name
                if target in given:
                    problems.append(Problem(name, f"says the same as {given[target]}", "keep one of the two"))
                    continue
                given[target] = name
                value, wrong = parse_value(entry, text)
                if wrong:
                    problems.append(Problem(name, wrong, value=None if entry.secret else text))
                else:
                    values[target] = value
        for option in self:
            if option.pattern or option.name in values or option.name in given:
                continue
            if option.default is REQUIRED:
                problems.append(Problem(option.name, "required and missing", option.doc))
            else:
                values[option.name] = option.default
        return Values(values, given), problems

    def _suggest(self, name: str) -> str:
        near = difflib.get_close_matches(name, list(self._exact), n=1, cutoff=0.6)
        return f"did you mean {near[0]}?" if near else ""


_NUMBERS: Final[dict[OptionType, tuple[Callable[[str], Any], str, float]]] = {
    OptionType.INT: (int, "a whole number", 2**31),
    OptionType.LONG: (int, "a whole number", 2**63),
    OptionType.DOUBLE: (float, "a number", float("inf")),
}


def parse_value(option: Option, text: str | None) -> tuple[Any, str | None]:
    """The parsed value and None, or None and what is wrong."""
    if text is None:
        return (None, None) if option.default is None else (None, "has no value")
    trimmed = text.strip()
    value: Any = trimmed
    if option.type is OptionType.BOOLEAN:
        if trimmed.lower() not in ("true", "false"):
            return None, "must be true or false"
        value = trimmed.lower() == "true"
    elif option.type in _NUMBERS:
        convert, kind, limit = _NUMBERS[option.type]
        try:
            value = convert(trimmed)
        except ValueError:
            return None, f"must be {kind}"
        if not -limit <= value < limit:
            return None, f"is out of range for {option.type}"
    elif option.type is OptionType.LIST:
        value = [item.strip() for item in trimmed.split(",") if item.strip()]
    elif option.type is OptionType.PASSWORD:
        value = text
    if option.choices:
        spelling = {choice.lower(): choice for choice in option.choices}
        items = value if isinstance(value, list) else [str(value)]
        if any(item.lower() not in spelling for item in items):
            near = difflib.get_close_matches(str(value).lower(), list(spelling), n=1)
            return None, f"must be one of {', '.join(option.choices)}" + (
                f"; did you mean {spelling[near[0]]}?" if near else ""
            )
        value = [spelling[i.lower()] for i in items] if isinstance(value, list) else spelling[str(value).lower()]
    if option.validate and (wrong := option.validate(value)):
        return None, wrong
    return value, None


def at_least(minimum: float) -> Callable[[Any], str | None]:
    return lambda value: None if value >= minimum else f"must be at least {minimum}"


def regular_expression(value: Any) -> str | None:
    try:
        re.compile(str(value))
    except re.error as error:
        return f"is not a regular expression: {error}"
    return None
