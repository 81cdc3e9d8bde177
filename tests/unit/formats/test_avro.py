from __future__ import annotations

import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import fastavro
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.formats import START, Unreadable
from headwater.connectors.formats.avro import Avro, _long
from headwater.connectors.formats.avro_container import read_block, read_header
from headwater.worker.api import DATE, DECIMAL, TIME, TIMESTAMP, Type

from .content import InMemory, read_all, read_growing, read_in_steps, values

AVRO = Avro(1024 * 1024)
ITEM = {"type": "record", "name": "Item", "namespace": "shop", "fields": [{"name": "id", "type": "long"}]}


def record(*fields: tuple[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "Row", "fields": [{"name": name, "type": kind} for name, kind in fields]}


def file(schema: Any, rows: list[Any], codec: str = "null", every: int = 16_000) -> bytes:
    made = io.BytesIO()
    fastavro.writer(made, schema, rows, codec="null" if codec == "zstandard" else codec, sync_interval=every)
    return with_zstandard(made.getvalue()) if codec == "zstandard" else made.getvalue()


def with_zstandard(data: bytes) -> bytes:
    """fastavro writes it with another library than ours alone."""
    stream = io.BytesIO(data)
    header = read_header(stream)
    made = data[: header.end].replace(b"\x08null", b"\x12zstandard")
    while (block := read_block(stream, stream.tell(), header, len(data))) is not None:
        packed = zstandard.compress(block.data)
        made += _long(block.rows) + _long(len(packed)) + packed + header.sync
    return made


def one(kind: Any, value: Any) -> tuple[Any, Any]:
    """The value that is read, and its schema."""
    (row,) = read_all(AVRO, file(record(("x", kind)), [{"x": value}]))
    return row.value["x"], row.schema.get("x")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "value", "read", "type", "logical"),
    [
        ("int", -5, -5, Type.INT32, None),
        ("long", 1 << 60, 1 << 60, Type.INT64, None),
        ("float", 1.5, 1.5, Type.FLOAT32, None),
        ("double", 0.1, 0.1, Type.FLOAT64, None),
        ("boolean", True, True, Type.BOOLEAN, None),
        ("string", "é", "é", Type.STRING, None),
        ("bytes", b"\x00\xff", b"\x00\xff", Type.BYTES, None),
        (["null", "string"], None, None, Type.STRING, None),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "B", Type.STRING, None),
        ({"type": "fixed", "name": "F", "size": 2}, b"ab", b"ab", Type.BYTES, None),
        ({"type": "string", "logicalType": "uuid"}, "0" * 36, "0" * 36, Type.STRING, None),
        ({"type": "int", "logicalType": "date"}, date(1969, 12, 31), -1, Type.INT32, DATE),
        ({"type": "int", "logicalType": "time-millis"}, time(0, 0, 1), 1000, Type.INT32, TIME),
        ({"type": "long", "logicalType": "timestamp-millis"}, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), 1000,
         Type.INT64, TIMESTAMP),
        ({"type": "long", "logicalType": "timestamp-micros"}, datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC), 1000005,
         Type.INT64, "io.debezium.time.MicroTimestamp"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, Decimal("-1.50"), Decimal("-1.50"),
         Type.BYTES, DECIMAL),
    ],
)  # fmt: skip
def test_types(kind: Any, value: Any, read: Any, type: Type, logical: str | None) -> None:
    found, schema = one(kind, value)
    assert found == read and str(found) == str(read)
    assert (schema.type, schema.name, schema.optional) == (type, logical, isinstance(kind, list))


def test_nested_and_named_types() -> None:
    day = {"type": "int", "logicalType": "date"}
    items = {"type": "array", "items": ITEM}
    schema = record(("a", items), ("m", {"type": "map", "values": day}), ("b", ["null", "shop.Item"]), ("none", "null"))
    rows = [{"a": [{"id": 1}], "m": {"k": date(1970, 1, 3)}, "b": {"id": 2}, "none": None}]
    (row,) = read_all(AVRO, file(schema, rows))
    assert row.value == {"a": [{"id": 1}], "m": {"k": 2}, "b": {"id": 2}, "none": None}
    item = row.schema.get("a").value_schema
    assert item.name == "shop.Item" and row.schema.get("b") == item.as_optional()


def test_unions_of_several_types() -> None:
    other = {**ITEM, "name": "Other", "fields": [{"name": "id", "type": "long"}, {"name": "n", "type": "int"}]}
    union = ["null", "string", "long", ITEM, other]
    for value, read in (
        ("x", {"string": "x"}), (5, {"long": 5}), (("shop.Item", {"id": 1}), {"Item": {"id": 1}}),
        (("shop.Other", {"id": 1, "n": 2}), {"Other": {"id": 1, "n": 2}}),
    ):  # fmt: skip
        found, schema = one(union, value)
        assert found == {"string": None, "long": None, "Item": None, "Other": None} | read
        assert [field.name for field in schema.fields] == ["string", "long", "Item", "Other"]
    assert one(union, None)[0] is None


@pytest.mark.parametrize("codec", ["null", "deflate", "zstandard"])
def test_cut_off_and_damaged(codec: str) -> None:
    rows = [{"x": f"{n * 7919 % 100_003}" * 5} for n in range(3000)]
    data = file(record(("x", "string")), rows, codec, 2000)
    assert values(read_all(AVRO, data)) == rows
    cut = data[: len(data) // 2]
    early = list(AVRO.rows(InMemory(cut, complete=False), START))
    assert 0 < len(early) < 3000 and values(early) == rows[: len(early)]
    for wrong, what in ((cut, "cut off"), (data[:20], "cut off"), (b"x" * 100, "no Avro file")):
        with pytest.raises(Unreadable, match=what):
            list(AVRO.rows(InMemory(wrong), START))
    for at in range(400, len(data), len(data) // 50):
        damaged = data[:at] + b"\xff\xff\xff" + data[at + 3 :]
        try:
            found = len(read_all(AVRO, damaged))
        except Unreadable:
            continue
        assert found == 3000  # the damage is within a value


def test_types_that_cannot_be_read() -> None:
    tree = record(("child", ["null", "Row"]))
    with pytest.raises(Unreadable, match="uses the type Row before it is complete"):
        read_all(AVRO, file(tree, [{"child": None}]))
    data = file(record(("x", "int")), [{"x": 1}]).replace(b'"type": "int"', b'"type": "num"')
    with pytest.raises(Unreadable, match="its schema"):
        read_all(AVRO, data)
    with pytest.raises(Unreadable, match=r"cut off|compressed with snappie"):
        read_all(AVRO, file(record(("x", "int")), [{"x": 1}]).replace(b"\x08null", b"\x0esnappie"))
    with pytest.raises(Unreadable, match=r"more than block.max.bytes"):
        list(Avro(10).rows(InMemory(file(record(("x", "string")), [{"x": "y" * 50}])), START))


@given(
    st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=40),
    st.lists(st.integers(1, 9), max_size=5),
    st.sampled_from(["none", "gzip"]),
    st.data(),
)
def test_any_cut_gives_the_same_rows(numbers: list[int], steps: list[int], codec: str, draw: st.DataObject) -> None:
    data = file(record(("x", "long")), [{"x": number} for number in numbers], every=30)
    rows = read_all(AVRO, data)
    assert values(rows) == [{"x": number} for number in numbers]
    assert read_in_steps(AVRO, data, steps, codec) == rows
    assert read_growing(AVRO, data, draw.draw(st.lists(st.integers(0, len(data)), max_size=4))) == rows
