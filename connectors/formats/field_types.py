"""Types of fields, as the option `types` names them, and as a sample of text lets guess them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation
from typing import Any, Final

from headwater.worker.api import DATE, TIMESTAMP, Schema, Type, decimal, primitive

_EXACT: Final = Context(prec=200, traps=[Inexact, InvalidOperation])
_EPOCH: Final = date(1970, 1, 1).toordinal()
_WHOLE: Final = re.compile(r"[+-]?\d+")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)|nan", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FieldType:
    """`name` as it is written in options. `parse`: text -> value, raises `ValueError`."""

    name: str
    schema: Schema
    parse: Callable[[str], Any]

    def from_text(self, column: str, text: str) -> Any:
        try:
            return self.parse(text)
        except (ValueError, DecimalException, OverflowError):
            raise ValueError(f"{column}: {text[:100]!r} is not {self.name}") from None

    def from_json(self, column: str, value: Any) -> Any:
        """A JSON value; numbers may stand as text. Raises `ValueError`."""
        if value is None:
            return None
        wanted = self.schema.type
        if wanted is Type.STRING:
            right = isinstance(value, str)
        elif wanted is Type.BOOLEAN:
            right = isinstance(value, bool)
        else:
            right = not isinstance(value, bool) and isinstance(value, int | float | Decimal | str)
        if not right:
            raise ValueError(f"{column}: {str(value)[:100]} is not {self.name}")
        if isinstance(value, bool):
            return value
        return self.from_text(column, str(value))


def _integer(bits: int) -> Callable[[str], int]:
    limit = 1 << (bits - 1)

    def parse(text: str) -> int:
        if not _WHOLE.fullmatch(text) or len(text) > 40 or not -limit <= (value := int(text)) < limit:
            raise ValueError
        return value

    return parse


def _float(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError
    return float(text)


def _boolean(text: str) -> bool:
    if (lower := text.lower()) not in ("true", "false"):
        raise ValueError
    return lower == "true"


def _date(text: str) -> int:
    return date.fromisoformat(text).toordinal() - _EPOCH


def _timestamp(text: str) -> int:
    """ISO 8601; without an offset: UTC. Finer than a millisecond is cut off."""
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def _decimal(scale: int) -> Callable[[str], Decimal]:
    step = Decimal(1).scaleb(-scale)

    def parse(text: str) -> Decimal:
        value = Decimal(text)
        if not value.is_finite():
            raise ValueError
        return value.quantize(step, context=_EXACT)

    return parse


def _type(name: str, type: Type, parse: Callable[[str], Any], logical: str | None = None) -> FieldType:
    version = None if logical is None else 1
    return FieldType(name, primitive(type, True, name=logical, version=version), parse)


STRING: Final = _type("string", Type.STRING, str)
_KNOWN: Final = {
    kind.name: kind
    for kind in (
        STRING,
        _type("int32", Type.INT32, _integer(32)),
        _type("int64", Type.INT64, _integer(64)),
        _type("float64", Type.FLOAT64, _float),
        _type("boolean", Type.BOOLEAN, _boolean),
        _type("date", Type.INT32, _date, DATE),
        _type("timestamp", Type.INT64, _timestamp, TIMESTAMP),
    )
}
TYPE_NAMES: Final = (*_KNOWN, "decimal(SCALE)")


def field_type(name: str) -> FieldType:
    """`int64`, `decimal(2)` … Raises `ValueError`."""
    name = name.strip().lower()
    if found := re.fullmatch(r"decimal\((\d{1,2})\)", name):
        return FieldType(name, decimal(int(found[1]), optional=True), _decimal(int(found[1])))
    if name not in _KNOWN:
        raise ValueError(f"{name!r} is no type; one of {', '.join(TYPE_NAMES)}")
    return _KNOWN[name]


def field_types(items: Iterable[str]) -> dict[str, FieldType]:
    """`["id:int64", …]` by name of the field. Raises `ValueError`."""
    types: dict[str, FieldType] = {}
    for item in items:
        name, colon, kind = item.rpartition(":")
        if not colon or not name.strip():
            raise ValueError(f"{item!r} must look like name:type")
        if name.strip() in types:
            raise ValueError(f"{name.strip()!r} stands there twice")
        types[name.strip()] = field_type(kind)
    return types


_GUESSES: Final[Sequence[tuple[str, re.Pattern[str]]]] = (
    ("boolean", re.compile(r"true|false", re.IGNORECASE)),
    ("int64", re.compile(r"-?(0|[1-9]\d{0,17})")),
    ("float64", re.compile(r"-?(0|[1-9]\d*)\.\d+([eE][+-]?\d+)?|-?(0|[1-9]\d{0,14})")),
    ("date", re.compile(r"\d{4}-\d\d-\d\d")),
    ("timestamp", re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?")),
)


def guess(values: Iterable[str]) -> FieldType:
    """The narrowest type that all of these texts have; string where there are none, or where a leading zero or more
    digits than a number holds say that it is none."""
    sample = list(values)
    for name, pattern in _GUESSES if sample else ():
        if all(pattern.fullmatch(text) for text in sample) and _parses(_KNOWN[name], sample):
            return _KNOWN[name]
    return STRING


def _parses(kind: FieldType, sample: Iterable[str]) -> bool:
    try:
        for text in sample:
            kind.parse(text)
    except (ValueError, OverflowError):
        return False
    return True
