"""Columns that ParquetSink writes come back as what they were made of: schema and value."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.connectors.debezium import names
from headwater.connectors.formats import START
from headwater.connectors.formats.connect_names import zoned_text
from headwater.connectors.formats.parquet import Parquet
from headwater.connectors.parquet.columns import Layout
from headwater.worker.api import (
    DATE,
    TIME,
    TIMESTAMP,
    Record,
    Schema,
    Type,
    array,
    decimal,
    mapping,
    primitive,
    struct,
)

from .content import InMemory

TEXT = primitive(Type.STRING)
CASES: list[tuple[Schema, list[Any]]] = [
    (primitive(Type.INT8), [-128, 127]),
    (primitive(Type.INT16), [-32768]),
    (primitive(Type.INT32), [2**31 - 1]),
    (primitive(Type.INT64), [-(2**63), 2**63 - 1]),
    (primitive(Type.FLOAT32), [1.5]),
    (primitive(Type.FLOAT64), [0.1]),
    (primitive(Type.BOOLEAN), [True, False]),
    (TEXT, ["", "é"]),
    (primitive(Type.BYTES), [b"", b"\x00\xff"]),
    (primitive(Type.INT32, name=DATE, version=1), [0, -719_162, 20_000]),
    (names.semantic(names.DATE), [20_000]),
    (primitive(Type.INT32, name=TIME, version=1), [0, 86_399_999]),
    (names.semantic(names.TIME), [12_345]),
    (names.semantic(names.MICRO_TIME), [12_345_678]),
    (names.semantic(names.NANO_TIME), [12_345_678_901]),
    (primitive(Type.INT64, name=TIMESTAMP, version=1), [-1, 1_767_322_445_123]),
    (names.semantic(names.TIMESTAMP), [1_767_322_445_123]),
    (names.semantic(names.MICRO_TIMESTAMP), [1_767_322_445_123_456, -62_135_596_800_000_000]),
    (names.semantic(names.NANO_TIMESTAMP), [1_767_322_445_123_456_789]),
    (names.semantic(names.ZONED_TIMESTAMP), ["2026-01-02T03:04:05.123456Z", "0001-01-01T00:00:00.000000Z", "infinity"]),
    (names.semantic(names.MICRO_DURATION), [5_000_000]),
    (names.semantic(names.NANO_DURATION), [5_000_000_000]),
    (names.semantic(names.JSON), ['{"a": 1}']),
    (names.semantic(names.UUID), ["0d9b3f2e-6b52-4d4e-a7d3-1e2f3a4b5c6d"]),
    (names.semantic(names.INTERVAL), ["P1Y2M3DT4H5M6.78S"]),
    (names.enum(["a", "b"]), ["b"]),
    (names.bits(5), [b"\x15"]),
    (names.variable_scale_decimal(), [{"scale": 3, "value": b"\x30\x39"}, {"scale": 0, "value": b"\xff"}]),
    (decimal(2, 10), [Decimal("12345678.90"), Decimal("-0.01")]),
    (decimal(2), [Decimal("1.00")]),
    (decimal(3, 60), [Decimal("123456789012345678901234567890123456789012.345")]),
    (array(TEXT.as_optional()), [["a", None], []]),
    (mapping(TEXT, primitive(Type.INT32, True)), [{"a": 1}]),
    (struct({"a": primitive(Type.INT32, True)}), [{"a": 1}]),
]


def through_a_file(schema: Schema, values: list[Any]) -> tuple[Schema, list[Any]]:
    layout = Layout([("c", schema)])
    records = [Record("t", offset=n) for n in range(len(values))]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_batches([layout.batch([{"c": value} for value in values], records)]), sink)
    rows = list(Parquet().rows(InMemory(sink.getvalue()), START))
    found = rows[0].schema.get("c")  # type: ignore[union-attr]
    assert found is not None
    return found, [row.value["c"] for row in rows]  # type: ignore[union-attr]


@pytest.mark.parametrize(("schema", "values"), CASES, ids=[schema.name or schema.type for schema, _ in CASES])
def test_they_come_back(schema: Schema, values: list[Any]) -> None:
    found, read = through_a_file(schema, [*values, None])
    assert read == [*values, None]
    assert (found.type, found.name, found.version) == (schema.type, schema.name, schema.version)
    assert {**found.parameters, **schema.parameters} == dict(found.parameters)
    assert found.optional


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-62_135_596_800_000_001, "0000-12-31T23:59:59.999999Z"),
        (253_402_300_800_000_000, "+10000-01-01T00:00:00.000000Z"),
        (-(2**63) + 1, "-infinity"),
    ],
)
def test_moments_of_all_years(us: int, text: str) -> None:
    assert zoned_text(us) == text
