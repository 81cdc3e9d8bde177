"""The time of a record from one of its fields."""

from __future__ import annotations

import pytest

from headwater.connectors.debezium import names
from headwater.connectors.s3.source.row_records import milliseconds
from headwater.worker.api import DATE, TIME, TIMESTAMP, DataError, Schema, Type, primitive

MS = 1_767_322_445_123
NUMBER = primitive(Type.INT64)


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (MS, None),
        (MS, NUMBER),
        (MS, primitive(Type.INT64, name="shop.Moment")),
        (MS, primitive(Type.INT64, name=TIMESTAMP, version=1)),
        (MS, primitive(Type.INT64, name=names.TIMESTAMP, version=1)),
        (MS * 1_000 + 7, primitive(Type.INT64, name=names.MICRO_TIMESTAMP, version=1)),
        (MS * 1_000_000 + 7, primitive(Type.INT64, name=names.NANO_TIMESTAMP, version=1)),
        ("2026-01-02T02:54:05.123Z", primitive(Type.STRING)),
        (None, NUMBER),
    ],
)
def test_times(value: object, schema: Schema | None) -> None:
    assert milliseconds(value, schema, "at") == (None if value is None else MS)


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (20_000, primitive(Type.INT32, name=DATE, version=1)),
        (20_000, primitive(Type.INT32, name=names.DATE, version=1)),
        (45_000_000, primitive(Type.INT32, name=TIME, version=1)),
        (45_000_000, primitive(Type.INT64, name=names.MICRO_TIME, version=1)),
        (1.5, None),
        (True, None),
        ("soon", None),
    ],
)
def test_what_is_no_time(value: object, schema: Schema | None) -> None:
    """Days, say, are not taken for milliseconds, which would be in the year 1970."""
    with pytest.raises(DataError, match="has no time in at"):
        milliseconds(value, schema, "at")
