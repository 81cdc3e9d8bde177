"""What a column may become, and what the rows of before look like then."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from headwater.connectors.parquet.columns import Incompatible, cast, merge, row_digests

I8, I32, I64, TEXT = pa.int8(), pa.int32(), pa.int64(), pa.string()
AB = pa.struct({"a": I32, "b": TEXT})


def D(precision: int, scale: int) -> pa.DataType:
    return pa.decimal128(precision, scale)


def schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(columns)


@pytest.mark.parametrize(
    ("old", "new", "merged", "value", "becomes"),
    [
        (I32, I64, I64, 5, 5),
        (I64, I8, I64, 5, 5),
        (pa.float32(), pa.float64(), pa.float64(), 0.5, 0.5),
        (D(10, 2), D(12, 2), D(12, 2), Decimal("1.50"), Decimal("1.50")),
        (D(10, 2), D(10, 4), D(12, 4), Decimal("1.50"), Decimal("1.5000")),
        (I32, D(10, 2), D(12, 2), 7, Decimal("7.00")),
        (I64, TEXT, TEXT, -7, "-7"),
        (pa.bool_(), TEXT, TEXT, True, "true"),
        (D(10, 3), TEXT, TEXT, Decimal("-100.500"), "-100.5"),
        (D(20, 10), TEXT, TEXT, Decimal("1E-10"), "0.0000000001"),
        (D(20, 10), TEXT, TEXT, Decimal("0E-10"), "0"),
        (pa.date32(), pa.date32(), pa.date32(), None, None),
        (pa.list_(I32), pa.list_(I64), pa.list_(I64), [1, None], [1, None]),
        (
            pa.struct({"a": I32}),
            pa.struct({"b": TEXT}),
            pa.struct({"a": I32, "b": TEXT}),
            {"a": 1},
            {"a": 1, "b": None},
        ),
        (pa.map_(TEXT, I8), pa.map_(TEXT, I32), pa.map_(TEXT, I32), [("k", 1)], [("k", 1)]),
    ],
)
def test_widened(old: pa.DataType, new: pa.DataType, merged: pa.DataType, value: Any, becomes: Any) -> None:
    grown = merge(schema(c=old), schema(c=new))
    assert grown == schema(c=merged)
    batch = pa.record_batch({"c": pa.array([value, None, value], old)})
    after = cast(batch, grown)
    assert after.column(0).to_pylist() == [becomes, None, becomes]
    assert row_digests(after) == row_digests(batch)
    assert row_digests(cast(batch.slice(1), grown)) == row_digests(batch)[1:]


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        (I64, pa.float64(), "c"),
        (pa.date32(), pa.timestamp("us"), "c"),
        (pa.timestamp("us"), pa.timestamp("us", "UTC"), "c"),
        (TEXT, pa.binary(), "c"),
        (TEXT, pa.timestamp("us"), "c"),
        (pa.bool_(), I64, "c"),
        (D(38, 2), D(38, 10), "c"),
        (pa.list_(TEXT), TEXT, "c"),
        (pa.struct({"l": pa.list_(I64)}), pa.struct({"l": pa.list_(pa.date32())}), "c.l.element"),
    ],
)
def test_no_type_for_both(old: pa.DataType, new: pa.DataType, column: str) -> None:
    for one, other in ((old, new), (new, old)):
        with pytest.raises(Incompatible, match=rf"column {column}: .* rebuild the view") as caught:
            merge(schema(c=one), schema(c=other))
        assert caught.value.column == column


def test_columns_come_and_stay() -> None:
    merged = merge(schema(a=I32, gone=TEXT), schema(added=TEXT, a=I32))
    assert merged.names == ["a", "gone", "added"]
    batch = pa.record_batch({"added": ["x"], "a": pa.array([1], I32)})
    assert cast(batch, merged).to_pylist() == [{"a": 1, "gone": None, "added": "x"}]


def test_the_newer_doc_stays() -> None:
    old = pa.schema([pa.field("a", I32, metadata={"connect.doc": "old"}), pa.field("b", I32, metadata={"k": "v"})])
    new = pa.schema([pa.field("a", I32, metadata={"connect.doc": "new"})])
    assert merge(old, new).field("a").metadata == {b"connect.doc": b"new"}
    assert merge(old, new).field("b").metadata == {b"k": b"v"}


@pytest.mark.parametrize(
    ("narrow", "column"),
    [(schema(a=I32), "a"), (schema(b=I64), "a"), (schema(a=I64, s=pa.struct({"y": I32})), "s.x")],
)
def test_nothing_is_cut_off(narrow: pa.Schema, column: str) -> None:
    batch = pa.record_batch({"a": pa.array([2**40], I64), "s": pa.array([{"x": 1}], pa.struct({"x": I32}))})
    if "s" not in narrow.names:
        batch = batch.select(["a"])
    with pytest.raises(Incompatible) as caught:
        cast(batch, narrow)
    assert caught.value.column == column
