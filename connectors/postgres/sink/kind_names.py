"""Kinds by the name of their SQL type, and which kind can take over a column from which."""

from __future__ import annotations

import re
from typing import Final

from . import kinds
from .kinds import Kind, array_of, bit, numeric

LARGEST_PRECISION: Final = 1000

_PLAIN: Final = {
    kind.sql: kind
    for kind in (
        kinds.SMALLINT, kinds.INTEGER, kinds.BIGINT, kinds.REAL, kinds.DOUBLE, kinds.BOOLEAN, kinds.TEXT, kinds.BYTEA,
        kinds.UUID, kinds.DATE, kinds.TIMESTAMP, kinds.TIMESTAMPTZ, kinds.TIME, kinds.TIMETZ, kinds.INTERVAL,
        kinds.POINT, kinds.JSONB, kinds.NUMERIC, bit(None),
    )
}  # fmt: skip
_WHOLE: Final = {"smallint": 5, "integer": 10, "bigint": 19}
"""Decimal digits that each can need."""
_TEXTUAL: Final = {"text", "boolean", *_WHOLE}
"""Kinds whose canonical form is what the server makes of them as text."""
_FLOATS: Final = ("real", "double precision")
_cache: dict[str, Kind] = dict(_PLAIN)


def kind_named(sql: str) -> Kind:
    """The kind whose `sql` this is. Raises `KeyError`."""
    if sql not in _cache:
        if sql.endswith("[]"):
            _cache[sql] = array_of(kind_named(sql[:-2]))
        elif found := re.fullmatch(r"numeric\((\d+),(-?\d+)\)", sql):
            _cache[sql] = numeric(int(found[1]), int(found[2]))
        elif found := re.fullmatch(r"bit\((\d+)\)", sql):
            _cache[sql] = bit(int(found[1]))
        else:
            raise KeyError(sql)
    return _cache[sql]


def is_kind(sql: str) -> bool:
    """Is it a type that Headwater gives to columns?"""
    try:
        kind_named(sql)
    except KeyError:
        return False
    return True


def widened(column: Kind, value: Kind, key: bool = False) -> Kind | None:
    """The kind that `column` must have to hold what it has and values of `value` too; None: there is none.

    Only changes that keep every value, and its canonical form, as it is; for a `key`, also what `show` makes of it.
    """
    if column.sql == value.sql:
        return column
    if not key and {column.sql, value.sql} <= _TEXTUAL and "text" in (column.sql, value.sql):
        return kinds.TEXT
    if column.item and value.item:
        item = widened(column.item, value.item, key)
        return None if item is None else kind_named(f"{item.sql}[]")
    for family in (tuple(_WHOLE), _FLOATS):
        if column.sql in family and value.sql in family:
            return column if family.index(column.sql) >= family.index(value.sql) else value
    one, other = _digits(column), _digits(value)
    if one is None or other is None:
        return None
    if "numeric" in (column.sql, value.sql):
        return kinds.NUMERIC
    whole, scale = max(one[0], other[0]), max(one[1], other[1])
    return kinds.NUMERIC if whole + scale > LARGEST_PRECISION else kind_named(f"numeric({whole + scale},{scale})")


def _digits(kind: Kind) -> tuple[int, int] | None:
    """Digits before and after the point; None: no exact number."""
    if kind.sql in _WHOLE:
        return _WHOLE[kind.sql], 0
    if kind.sql == "numeric":
        return 0, 0
    found = re.fullmatch(r"numeric\((\d+),(-?\d+)\)", kind.sql)
    return (int(found[1]) - int(found[2]), int(found[2])) if found else None
