"""Columns at random: a Connect schema and values that fit it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from headwater.connectors.debezium import names
from headwater.worker.api import DATE, TIME, TIMESTAMP, Schema, Type, array, decimal, mapping, primitive, struct

Values = st.SearchStrategy[Any]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def whole(bits: int) -> Values:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def decimals(digits: int, scale: int) -> Values:
    return st.integers(-(10**digits) + 1, 10**digits - 1).map(lambda number: Decimal(number).scaleb(-scale))


LEAVES: list[tuple[Schema, Values]] = [
    (primitive(Type.INT8), whole(8)),
    (primitive(Type.INT16), whole(16)),
    (primitive(Type.INT32), whole(32)),
    (primitive(Type.INT64), whole(64)),
    (primitive(Type.FLOAT32), st.floats(width=32)),
    (primitive(Type.FLOAT64), st.floats()),
    (primitive(Type.BOOLEAN), st.booleans()),
    (primitive(Type.STRING), TEXT),
    (primitive(Type.BYTES), st.binary(max_size=8)),
    (decimal(2, 10), decimals(10, 2)),
    (decimal(0, 28), decimals(28, 0)),
    (decimal(12, 28), decimals(28, 12)),
    (decimal(20, 60), decimals(28, 20)),
    (primitive(Type.INT32, name=DATE, version=1), whole(32)),
    (primitive(Type.INT32, name=TIME, version=1), st.integers(0, 86_399_999)),
    (primitive(Type.INT64, name=TIMESTAMP, version=1), st.integers(-(10**15), 10**15)),
    (names.semantic(names.DATE), whole(32)),
    (names.semantic(names.ISO_DATE), st.dates().map(lambda day: f"{day.isoformat()}Z")),
    (names.semantic(names.TIME), st.integers(0, 86_399_999)),
    (names.semantic(names.MICRO_TIME), st.integers(0, 86_399_999_999)),
    (names.semantic(names.NANO_TIME), st.integers(0, 86_399_999_999_999)),
    (names.semantic(names.ISO_TIME), st.times().map(lambda time: f"{time.isoformat()}Z")),
    (names.semantic(names.TIMESTAMP), st.integers(-(10**15), 10**15) | st.just(9_223_372_036_825_200_000)),
    (names.semantic(names.MICRO_TIMESTAMP), whole(64)),
    (names.semantic(names.NANO_TIMESTAMP), whole(64)),
    (names.semantic(names.ISO_TIMESTAMP), st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")),
    (names.semantic(names.ZONED_TIMESTAMP), st.datetimes().map(lambda moment: f"{moment.isoformat()}+02:00")),
    (names.semantic(names.ZONED_TIME), st.times().map(lambda time: f"{time.isoformat()}Z")),
    (names.semantic(names.INTERVAL), st.just("P1Y2M3DT4H5M6.78S")),
    (names.semantic(names.MICRO_DURATION), whole(64)),
    (names.semantic(names.NANO_DURATION), whole(64)),
    (names.semantic(names.JSON), st.just('{"a": 1}')),
    (names.semantic(names.UUID), st.uuids().map(str)),
    (names.enum(["new", "paid"]), st.sampled_from(["new", "paid"])),
    (names.bits(11), st.integers(0, 2**11 - 1).map(lambda number: number.to_bytes(2, "little"))),
    (names.variable_scale_decimal(), decimals(20, 7)),
    (struct({}), st.just({})),
]
_leaves = st.sampled_from(LEAVES)


def _list(inner: tuple[Schema, Values]) -> tuple[Schema, Values]:
    return array(inner[0]), st.lists(st.none() | inner[1], max_size=3)


def _map(inner: tuple[Schema, Values]) -> tuple[Schema, Values]:
    return mapping(primitive(Type.STRING), inner[0]), st.dictionaries(TEXT, st.none() | inner[1], max_size=3)


def _struct(inner: list[tuple[Schema, Values]]) -> tuple[Schema, Values]:
    fields = {f"f{number}": part for number, part in enumerate(inner)}
    values = {name: st.none() | part[1] for name, part in fields.items()}
    return struct({name: part[0] for name, part in fields.items()}), st.fixed_dictionaries({}, optional=values)


def _deeper(inner: st.SearchStrategy[tuple[Schema, Values]]) -> st.SearchStrategy[tuple[Schema, Values]]:
    return inner.map(_list) | inner.map(_map) | st.lists(inner, min_size=1, max_size=3).map(_struct)


COLUMNS = st.recursive(_leaves, _deeper, max_leaves=4)
"""Pairs of a schema and the strategy of its values."""


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[tuple[str, Schema]], list[dict[str, Any]]]:
    """Columns, and rows that fit them; values are missing here and there."""
    columns = draw(st.dictionaries(TEXT.filter(bool), COLUMNS, min_size=1, max_size=4))
    rows = st.fixed_dictionaries({}, optional={name: st.none() | values for name, (_, values) in columns.items()})
    return [(name, schema) for name, (schema, _) in columns.items()], draw(st.lists(rows, max_size=6))
