from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.worker.api import DataError, Header, Record, Type, array, decimal, mapping, primitive, struct
from headwater.worker.runtime.record_json import dump_record, load_record

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(alphabet=st.characters())
    | st.binary()
    | st.decimals(allow_nan=False)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(["$bytes", "$"]), inner, max_size=4)
        | st.dictionaries(st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(VALUES, VALUES)
def test_a_record_comes_back_as_it_was(key: Any, value: Any) -> None:
    record = Record("orders", key, value, headers=(Header("h", value),), timestamp_ms=7, version=2**60, partition=3)
    back = load_record(dump_record(record))
    assert back == record and repr(back.value) == repr(record.value)


def test_schemas_come_back() -> None:
    row = struct(
        {
            "id": primitive(Type.INT64),
            "price": decimal(2, optional=True, default=Decimal("1.50")),
            "tags": array(primitive(Type.STRING, optional=True)),
            "by": mapping(primitive(Type.STRING), primitive(Type.BYTES, default=b"\xff"), doc="why"),
        },
        name="shop.Row",
        version=3,
    )
    record = Record("orders", None, {"id": 1}, None, row, headers=(Header("n", 1, primitive(Type.INT8)),))
    assert load_record(dump_record(record)) == record


def test_what_has_no_number_in_json() -> None:
    back = load_record(dump_record(Record("t", [math.nan, math.inf, -math.inf], "\udcff")))
    assert math.isnan(back.key[0]) and back.key[1:] == [math.inf, -math.inf] and back.value == "\udcff"


def test_what_cannot_be_had_back_is_shown() -> None:
    dumped = dump_record(Record("t", None, {"at": object}))
    assert orjson.loads(dumped)["value"] == {"at": {"$shown": "<class 'object'>"}}
    with pytest.raises(DataError, match="cannot be had back"):
        load_record(dumped)


class Mute:
    def __repr__(self) -> str:
        raise LookupError


def nested(levels: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(levels):
        made = [made]
    return made


def test_what_json_cannot_hold_is_shown_as_a_whole() -> None:
    names = struct({"\udcff": primitive(Type.INT8)}, doc="\udcff")
    for record in (
        Record("t", "k", nested(300)),
        Record("t", "k", nested(5_000)),
        Record("t", "k", 10**5_000),
        Record("t", "k", Mute()),
        Record("t", "k", {}, None, names),
        Record("\udcff", "k", nested(300), timestamp_ms=2**70),
    ):
        dumped = dump_record(record)
        assert orjson.loads(dumped)["key"] == {"$shown": "'k'"}
        with pytest.raises(DataError, match="cannot be had back"):
            load_record(dumped)


@pytest.mark.parametrize("data", [b"", b"[]", b'{"format":2}', b'{"format":1}'])
def test_others_records_are_refused(data: bytes) -> None:
    with pytest.raises(DataError):
        load_record(data)
