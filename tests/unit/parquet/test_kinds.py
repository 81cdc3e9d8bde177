"""Which column a schema becomes, what its values look like to pyarrow and DuckDB, and what is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from headwater.connectors.debezium import names
from headwater.connectors.parquet.columns import BadRow, Layout, json_text
from headwater.connectors.parquet.data_file import DataFile
from headwater.connectors.parquet.storage import LocalStorage
from headwater.worker.api import (
    DATE,
    TIME,
    TIMESTAMP,
    DataError,
    Record,
    Schema,
    Type,
    array,
    decimal,
    mapping,
    primitive,
    struct,
)

US, UTC = pa.timestamp("us"), pa.timestamp("us", "UTC")
TEXT = primitive(Type.STRING)
LARGEST = 2**63 - 1


def batch_of(schema: Schema, *values: Any) -> pa.RecordBatch:
    return Layout([("c", schema)]).batch([{"c": value} for value in values], [Record("t")] * len(values))


@pytest.mark.parametrize(
    ("schema", "type"),
    [
        (primitive(Type.INT8), pa.int8()),
        (primitive(Type.INT64, name="com.acme.Money"), pa.int64()),
        (primitive(Type.FLOAT32), pa.float32()),
        (primitive(Type.BYTES), pa.binary()),
        (decimal(2, 10), pa.decimal128(10, 2)),
        (decimal(2), pa.decimal128(38, 2)),
        (decimal(2, 39), pa.string()),
        (decimal(-3, 5), pa.string()),
        (primitive(Type.INT32, name=DATE), pa.date32()),
        (primitive(Type.INT32, name=TIME), pa.time64("us")),
        (primitive(Type.INT64, name=TIMESTAMP), UTC),
        (names.semantic(names.TIMESTAMP), US),
        (names.semantic(names.NANO_TIMESTAMP), pa.timestamp("ns")),
        (names.semantic(names.ZONED_TIMESTAMP), UTC),
        (names.semantic(names.ZONED_TIME), pa.string()),
        (names.semantic(names.UUID), pa.string()),
        (names.semantic(names.YEAR), pa.int32()),
        (names.variable_scale_decimal(), pa.string()),
        (names.double_vector(), pa.list_(pa.float64())),
        (names.geography(), pa.struct({"wkb": pa.binary(), "srid": pa.int32()})),
        (mapping(TEXT, array(names.semantic(names.DATE))), pa.map_(pa.string(), pa.list_(pa.date32()))),
        (struct({}), pa.string()),
    ],
)
def test_types(schema: Schema, type: pa.DataType) -> None:
    assert Layout([("c", schema)]).arrow.field("c").type == type


def test_metadata_keep_the_rest() -> None:
    schema = names.enum(["new", "paid"], doc="Where the order stands")
    field = Layout([("state", schema)]).arrow.field("state")
    assert field.nullable
    assert field.metadata[b"connect.name"] == b"io.debezium.data.Enum" and field.metadata[b"connect.version"] == b"1"
    assert field.metadata[b"connect.doc"] == b"Where the order stands"
    assert json.loads(field.metadata[b"connect.parameters"]) == {"allowed": "new,paid"}


@pytest.mark.parametrize("schema", [array(TEXT).with_(value_schema=None), mapping(TEXT, TEXT).with_(key_schema=None)])
def test_no_column_without_a_schema_of_the_parts(schema: Schema) -> None:
    with pytest.raises(DataError, match=r"column c: an (array|map) without a schema of its"):
        Layout([("c", schema)])


@pytest.mark.parametrize(
    ("schema", "value", "held"),
    [
        (names.semantic(names.DATE), 2146033979, 2**31 - 1),
        (names.semantic(names.DATE), -2147472691, -(2**31) + 1),
        (names.semantic(names.ISO_DATE), "-infinity", -(2**31) + 1),
        (names.semantic(names.TIMESTAMP), 9223372036825200000, LARGEST),
        (names.semantic(names.MICRO_TIMESTAMP), -(2**63), -LARGEST),
        (names.semantic(names.NANO_TIMESTAMP), 2**63 - 1, LARGEST),
        (names.semantic(names.ZONED_TIMESTAMP), "infinity", LARGEST),
        (names.semantic(names.ZONED_TIMESTAMP), "+12024-01-02T03:04:05Z", 317_273_684_645_000_000),
        (names.semantic(names.ISO_TIMESTAMP), "-0044-03-15T00:00:00Z", -63_549_360_000_000_000),
        (names.semantic(names.ISO_TIME), "24:00:00Z", 86_400_000_000),
        (primitive(Type.INT64, name=TIMESTAMP), 1, 1000),
        (primitive(Type.INT32, name=TIME), 1, 1000),
        (names.semantic(names.MICRO_DURATION), -3, -3),
    ],
)
def test_times(schema: Schema, value: Any, held: int) -> None:
    column = batch_of(schema, None, value).column(0)
    width = pa.int32() if column.type == pa.date32() else pa.int64()
    assert column.view(width).to_pylist() == [None, held]


@pytest.mark.parametrize(
    ("schema", "value", "held"),
    [
        (names.variable_scale_decimal(), {"scale": 2, "value": b"\x01\x00"}, "2.56"),
        (names.variable_scale_decimal(), Decimal("1.50"), "1.50"),
        (names.variable_scale_decimal(), Decimal("1E+5"), "100000"),
        (names.variable_scale_decimal(), Decimal("NaN"), "NaN"),
        (decimal(2, 10), 5, Decimal("5.00")),
        (names.bits(5), b"\x05", "00101"),
        (names.bits(2147483647), b"\x05", "101"),
        (struct({}), {}, "{}"),
        (struct({"a": TEXT, "b": TEXT}), {"a": "x", "other": 1}, {"a": "x", "b": None}),
        (mapping(TEXT, decimal(1, 3)), {"a": Decimal("1.5")}, [("a", Decimal("1.5"))]),
        (primitive(Type.BYTES), memoryview(b"x"), b"x"),
        (primitive(Type.FLOAT32), 0.1, 0.10000000149011612),
    ],
)
def test_values(schema: Schema, value: Any, held: Any) -> None:
    assert batch_of(schema, None, value).column(0).to_pylist() == [None, held]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (primitive(Type.INT64), 1.5),
        (primitive(Type.INT64), 1.0),
        (primitive(Type.INT64), True),
        (primitive(Type.INT64), 2**63),
        (primitive(Type.INT64), "1"),
        (primitive(Type.INT8), 128),
        (primitive(Type.FLOAT32), 1e300),
        (primitive(Type.FLOAT64), "1"),
        (primitive(Type.FLOAT64), 2**53 + 1),
        (primitive(Type.BOOLEAN), 1),
        (TEXT, 1),
        (TEXT, "\ud800"),
        (decimal(2, 5), Decimal("1.234")),
        (decimal(2, 5), Decimal("12345.6")),
        (decimal(2, 5), Decimal("NaN")),
        (decimal(2, 5), 1.5),
        (names.semantic(names.DATE), 2**31),
        (names.semantic(names.TIMESTAMP), 9_300_000_000_000_000),
        (names.semantic(names.ZONED_TIMESTAMP), "yesterday"),
        (names.semantic(names.ISO_DATE), "2020-1-1"),
        (names.bits(2), b"\x05"),
        (names.variable_scale_decimal(), {"scale": 1}),
        (array(primitive(Type.INT32)), [1, 1.5]),
        (array(TEXT), "text"),
        (mapping(TEXT, TEXT), {None: "x"}),
        (mapping(TEXT, TEXT), [("a", "b")]),
        (struct({"a": primitive(Type.INT8)}), {"a": 1000}),
        (struct({"a": TEXT}), "text"),
    ],
)
def test_what_does_not_fit_is_named(schema: Schema, value: Any) -> None:
    layout = Layout([("id", TEXT), ("price", schema)])
    rows = [{"id": "a"}, {"id": "b", "price": value}, {"id": "c"}]
    records = [Record("shop.orders", partition=3, offset=offset) for offset in (40, 42, 43)]
    with pytest.raises(BadRow, match=r"shop\.orders-3@42: the field price does not fit its column") as caught:
        layout.batch(rows, records)
    assert caught.value.index == 1
    del rows[1], records[1]
    assert layout.batch(rows, records).num_rows == 2


def test_columns_beside_the_rows() -> None:
    layout = Layout([("name", TEXT), ("__offset", primitive(Type.INT64))])
    batch = layout.batch([{"name": "a"}, {}], [Record("t")] * 2, {"__offset": [7, 8]})
    assert batch.to_pylist() == [{"name": "a", "__offset": 7}, {"name": None, "__offset": 8}]


def test_no_rows() -> None:
    layout = Layout([("a", TEXT), ("b", names.semantic(names.DATE)), ("c", array(struct({"d": names.bits(3)})))])
    assert layout.batch([], []).num_rows == 0


def test_json_text() -> None:
    value = {"ä": [1, 2.5, None, True, Decimal("1E+2"), float("nan"), b"\x00"], "b": {}, 5: "x\n"}
    assert json_text(value) == '{"ä":[1,2.5,null,true,100,"NaN","AA=="],"b":{},"5":"x\\n"}'
    with pytest.raises(TypeError):
        json_text(object())


def test_duckdb_reads_them(tmp_path: Path) -> None:
    """Infinity too, which Python's own dates do not have."""
    schemas = {
        "d": names.semantic(names.DATE),
        "m": names.semantic(names.MICRO_TIMESTAMP),
        "z": names.semantic(names.ZONED_TIMESTAMP),
        "t": names.semantic(names.MICRO_TIME),
        "p": decimal(2, 10),
        "l": array(struct({"x": mapping(TEXT, primitive(Type.INT8))})),
    }
    rows = [
        {"d": 19000, "m": 1_700_000_000_123_456, "z": "2024-01-02T03:04:05.5+02:00", "t": 86_400_000_000,
         "p": Decimal("1.5"), "l": [None, {"x": {"k": 1}}]},
        {"d": 2146033979, "m": LARGEST, "z": "infinity"},
        {"d": -800_000, "m": -(2**63), "z": "-infinity"},
    ]  # fmt: skip
    layout = Layout(schemas.items())
    storage = LocalStorage(str(tmp_path))
    file = DataFile(storage, "f.parquet", layout.arrow)
    file.append(layout.batch(rows, [Record("t")] * 3))
    file.publish()
    with duckdb.connect() as db:
        found = db.execute(
            "SELECT d::VARCHAR, m::VARCHAR, isinf(z), epoch_us(z), t::VARCHAR, p::VARCHAR, l::VARCHAR"
            " FROM read_parquet(?)",
            [f"{storage.root}/f.parquet"],
        ).fetchall()
    assert found == [
        ("2022-01-08", "2023-11-14 22:13:20.123456", False, 1704157445500000, "24:00:00", "1.50",
         "[NULL, {'x': {k=1}}]"),
        ("infinity", "infinity", True, None, None, None, None),
        ("0222-09-04 (BC)", "-infinity", True, None, None, None, None),
    ]  # fmt: skip
