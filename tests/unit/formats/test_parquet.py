from __future__ import annotations

import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.formats import START, Unreadable
from headwater.connectors.formats.parquet import BATCH_ROWS, Parquet
from headwater.worker.api import DATE, DECIMAL, TIME, TIMESTAMP, Type

from .content import InMemory, compress, read_all, read_in_steps, values

PARQUET = Parquet()
MOMENT = datetime(1970, 1, 1, 0, 0, 1, 5000, tzinfo=UTC)
NAIVE = datetime(1970, 1, 1, 0, 0, 1)


def file(columns: dict[str, Any], **options: Any) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.table(columns), made, **options)
    return made.getvalue()


@pytest.mark.parametrize(
    ("kind", "value", "read", "type", "logical"),
    [
        (pa.int8(), -5, -5, Type.INT8, None),
        (pa.uint8(), 200, 200, Type.INT16, None),
        (pa.uint16(), 60000, 60000, Type.INT32, None),
        (pa.uint32(), 1 << 31, 1 << 31, Type.INT64, None),
        (pa.uint64(), (1 << 64) - 1, Decimal((1 << 64) - 1), Type.BYTES, DECIMAL),
        (pa.int64(), -(1 << 63), -(1 << 63), Type.INT64, None),
        (pa.float32(), 1.5, 1.5, Type.FLOAT32, None),
        (pa.float64(), 0.1, 0.1, Type.FLOAT64, None),
        (pa.bool_(), True, True, Type.BOOLEAN, None),
        (pa.string(), "é", "é", Type.STRING, None),
        (pa.large_string(), "é", "é", Type.STRING, None),
        (pa.dictionary(pa.int32(), pa.string()), "é", "é", Type.STRING, None),
        (pa.binary(), b"\x00", b"\x00", Type.BYTES, None),
        (pa.binary(2), b"ab", b"ab", Type.BYTES, None),
        (pa.decimal128(9, 2), Decimal("-1.50"), Decimal("-1.50"), Type.BYTES, DECIMAL),
        (pa.date32(), date(1969, 12, 31), -1, Type.INT32, DATE),
        (pa.date64(), date(1970, 1, 3), 2, Type.INT32, DATE),
        (pa.time32("ms"), time(0, 0, 1), 1000, Type.INT32, TIME),
        (pa.time64("us"), time(0, 0, 1), 1_000_000, Type.INT64, "io.debezium.time.MicroTime"),
        (pa.timestamp("ms"), NAIVE, 1000, Type.INT64, TIMESTAMP),
        (pa.timestamp("us", "Asia/Tokyo"), MOMENT, 1_005_000, Type.INT64, "io.debezium.time.MicroTimestamp"),
        (pa.timestamp("ns"), NAIVE, 1_000_000_000, Type.INT64, "io.debezium.time.NanoTimestamp"),
        (pa.list_(pa.date32()), [date(1970, 1, 2), None], [1, None], Type.ARRAY, None),
        (pa.map_(pa.string(), pa.timestamp("ms")), {"k": NAIVE}, {"k": 1000}, Type.MAP, None),
        (pa.struct([("d", pa.date32()), ("n", pa.list_(pa.int32()))]), {"d": date(1970, 1, 2), "n": [1]},
         {"d": 1, "n": [1]}, Type.STRUCT, None),
    ],
)  # fmt: skip
def test_types(kind: pa.DataType, value: Any, read: Any, type: Type, logical: str | None) -> None:
    column = (
        pa.array([value, None], pa.string()).cast(kind)
        if pa.types.is_dictionary(kind)
        else pa.array([value, None], kind)
    )
    rows = read_all(PARQUET, file({"x": column}))
    assert values(rows) == [{"x": read}, {"x": None}]
    schema = rows[0].schema.get("x")  # type: ignore[union-attr]
    assert schema is not None and (schema.type, schema.name, schema.optional) == (type, logical, True)


def test_seconds() -> None:
    """Parquet has none; Arrow's own reader gives milliseconds."""
    assert values(read_all(PARQUET, file({"x": pa.array([NAIVE], pa.timestamp("s"))}))) == [{"x": 1000}]


def test_types_that_no_topic_has() -> None:
    with pytest.raises(Unreadable, match="column x has the type duration"):
        read_all(PARQUET, file({"x": pa.array([5], pa.duration("us"))}))


def test_a_map_that_has_a_key_twice() -> None:
    twice = pa.array([[("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int64()))
    with pytest.raises(Unreadable, match="a map in it has a key twice"):
        read_all(PARQUET, file({"x": twice}))


@pytest.mark.parametrize("data", [b"", b"PAR1", b"x" * 100, file({"x": [1]})[:-5]])
def test_what_is_no_parquet(data: bytes) -> None:
    with pytest.raises(Unreadable, match="no Parquet file, or damaged"):
        read_all(PARQUET, data)


def test_compressed_as_a_whole() -> None:
    with pytest.raises(Unreadable, match="compressed as a whole"):
        list(PARQUET.rows(InMemory(compress(file({"x": [1]}), "gzip"), "gzip"), START))


def test_a_file_that_was_replaced() -> None:
    rows = read_all(PARQUET, file({"x": [1, 2, 3]}))
    with pytest.raises(Unreadable, match="replaced after 2 rows"):
        list(PARQUET.rows(InMemory(file({"x": [1, 2, 3, 4]})), rows[1].next))


@given(st.integers(0, 60), st.integers(1, 20), st.lists(st.integers(1, 25), max_size=5))
def test_any_cut_gives_the_same_rows(count: int, group: int, steps: list[int]) -> None:
    data = file({"x": list(range(count))}, row_group_size=group)
    rows = read_all(PARQUET, data)
    assert values(rows) == [{"x": n} for n in range(count)]
    assert [row.line for row in rows] == list(range(1, count + 1))
    assert read_in_steps(PARQUET, data, steps) == rows


def test_batches_within_a_row_group() -> None:
    count = 3 * BATCH_ROWS + 7
    data = file({"x": list(range(count))})
    rows = read_all(PARQUET, data)
    assert read_in_steps(PARQUET, data, [BATCH_ROWS - 1, 1, BATCH_ROWS + 5]) == rows
    assert values(rows) == [{"x": n} for n in range(count)]
