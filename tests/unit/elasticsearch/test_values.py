"""From schemas to fields, from values to JSON, from keys to ids."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.debezium import names
from headwater.connectors.debezium.times import days_from_civil
from headwater.connectors.elasticsearch.sink.documents import encoded, merged
from headwater.connectors.elasticsearch.sink.generations import LONGEST_PATH, requests_of
from headwater.connectors.elasticsearch.sink.ids import Ids, shortened
from headwater.connectors.elasticsearch.sink.iso import civil_from_days, clock_text, date_text, timestamp_text
from headwater.connectors.elasticsearch.sink.kinds import Rules
from headwater.connectors.elasticsearch.sink.mappings import difference, holds, missing
from headwater.connectors.elasticsearch.sink.names import index_name, view_name
from headwater.worker.api import DataError, Record, Schema, Type, decimal, mapping, primitive, struct

RULES = Rules("flattened")
INT = primitive(Type.INT32)
TEXT = primitive(Type.STRING)


@given(st.integers(-3_000_000, 120_000_000))
def test_dates_are_the_calendars(days: int) -> None:
    assert days_from_civil(*civil_from_days(days)) == days


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (date_text(0), "1970-01-01"),
        (date_text(-719_162), "0001-01-01"),
        (date_text(days_from_civil(0, 12, 31)), "0000-12-31"),
        (date_text(days_from_civil(-43, 3, 15)), "-0043-03-15"),
        (date_text(days_from_civil(12_345, 6, 7)), "+12345-06-07"),
        (date_text(float("inf")), "infinity"),
        (timestamp_text(-1), "1969-12-31T23:59:59.999999Z"),
        (timestamp_text(1_577_873_730_500_000), "2020-01-01T10:15:30.5Z"),
        (timestamp_text(float("-inf")), "-infinity"),
        (clock_text(86_400_000_000), "24:00:00"),
        (clock_text(1), "00:00:00.000001"),
    ],
)
def test_iso_forms(text: str, wanted: str) -> None:
    assert text == wanted


@pytest.mark.parametrize(
    ("schema", "value", "type_", "written"),
    [
        (primitive(Type.INT8), 5, "long", 5),
        (primitive(Type.INT64), 2**63 - 1, "long", 2**63 - 1),
        (primitive(Type.FLOAT32), 0.5, "double", 0.5),
        (primitive(Type.FLOAT64), float("-inf"), "double", "-Infinity"),
        (primitive(Type.BOOLEAN), True, "boolean", True),
        (primitive(Type.BYTES), b"\1\2", "binary", "AQI="),
        (decimal(2, 15), Decimal("-1.10"), "double", -1.1),
        (decimal(2, 16), Decimal("-1.10"), "double", "-1.10"),
        (decimal(2), Decimal("1e3"), "double", "1000"),
        (primitive(Type.STRING, name=names.UUID), "a", "keyword", "a"),
        (primitive(Type.STRING, name=names.JSON), "[1]", "object", [1]),
        (primitive(Type.INT64, name=names.MICRO_TIME), 1_500_000, "keyword", "00:00:01.5"),
        (primitive(Type.BYTES, name=names.BITS, parameters={"length": "4"}), b"\5", "keyword", "0101"),
        (mapping(TEXT, INT), {"a": 1}, "flattened", {"a": 1}),
        (mapping(INT, TEXT), {1: "a"}, "object", [{"key": 1, "value": "a"}]),
        (struct({}), {}, "object", {}),
        (Schema(Type.ARRAY, value_schema=INT), [1, None], "long", [1, None]),
    ],
)
def test_kinds(schema: Schema, value: Any, type_: str, written: Any) -> None:
    kind = RULES.kind_of(schema)
    assert kind.definition.get("type", "object") == type_
    assert kind.read(value) == written
    orjson.dumps(kind.read(value))


@given(st.decimals(min_value=1 - 10**9, max_value=10**9 - 1, places=6, allow_nan=False))
def test_decimals_of_15_digits_are_exact_as_numbers(value: Decimal) -> None:
    found = RULES.kind_of(decimal(6, 15)).read(value)
    assert Decimal(repr(found)) == value


@pytest.mark.parametrize("value", [1.5, True, "x", 2**63])
def test_what_a_whole_number_is_not(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        RULES.kind_of(INT).read(value)


def record(key: Any, schema: Schema | None) -> Record:
    return Record("t", key, {}, schema)


@pytest.mark.parametrize(
    ("key", "schema", "wanted"),
    [
        ({"id": 5}, struct({"id": INT}), "5"),
        ({"id": 5, "region": "e|u\\"}, struct({"id": INT, "region": TEXT}), "5|e\\|u\\\\"),
        ({"id": None}, struct({"id": primitive(Type.INT32, True)}), "\\N"),
        ("", TEXT, "\\E"),
        ("x", None, "x"),
        ({"a": 1, "b": "y"}, None, "1|y"),
        ({"day": 0}, struct({"day": primitive(Type.INT32, name=names.DATE)}), "1970-01-01"),
        ({"yes": True}, struct({"yes": primitive(Type.BOOLEAN)}), "true"),
    ],
)
def test_ids(key: Any, schema: Schema | None, wanted: str) -> None:
    assert Ids(RULES).of(record(key, schema)) == wanted


@pytest.mark.parametrize("key", [None, {}, [1], {"a": {"b": 1}}])
def test_keys_that_name_no_document(key: Any) -> None:
    with pytest.raises(DataError):
        Ids(RULES).of(record(key, None))


@given(st.lists(st.text(max_size=5), min_size=2, max_size=2), st.lists(st.text(max_size=5), min_size=2, max_size=2))
def test_different_keys_have_different_ids(one: list[str], other: list[str]) -> None:
    ids = Ids(RULES)
    both = [ids.of(record(dict(zip("ab", key, strict=True)), None)) for key in (one, other)]
    assert (both[0] == both[1]) == (one == other)


def test_long_ids_stay_apart() -> None:
    one, other = shortened("ä" * 400 + "1"), shortened("ä" * 400 + "2")
    assert one != other
    assert len(one.encode()) <= 512


def test_index_names() -> None:
    assert index_name("${topic}", "Shop.Public.My Orders") == "shop.public.my_orders"
    for wrong in ("_x", "-x", "+x", "..", "x" * 300):
        with pytest.raises(DataError):
            index_name("${topic}", wrong)
    assert len({view_name(name) for name in ("a", "A", "a b", "a/b", "a" * 300)}) == 5


def test_fields_that_can_join() -> None:
    have = {"a": {"type": "long"}, "o": {"properties": {"x": {"type": "text"}}}}
    assert missing(have, {"a": {"type": "long"}, "b": {"type": "keyword"}}) == {"b": {"type": "keyword"}}
    deeper = {"o": {"properties": {"x": {"type": "text"}, "y": {"type": "long"}}}}
    assert missing(have, deeper) == {"o": {"properties": {"y": {"type": "long"}}}}
    for wrong in ({"a": {"type": "double"}}, {"a": {"type": "text"}}, {"o": {"type": "long"}}):
        with pytest.raises(DataError, match="rebuild the view"):
            missing(have, wrong)
    assert holds({"type": "keyword"}, {"type": "long"})
    assert not holds({"type": "date"}, {"type": "long"})
    assert difference({"a": {"type": "long"}, "b": {}}, {"a": {"type": "text"}, "c": {}}) == (
        "b is not in the newest record, c is new, a long -> text"
    )


def test_merging_and_encoding() -> None:
    assert merged({"a": {"x": 1}, "b": [1]}, {"a": {"y": None}, "b": [2]}) == {"a": {"x": 1, "y": None}, "b": [2]}
    assert encoded({"d": Decimal("1.50"), "b": b"\0", 1: 2}, "t") == b'{"d":"1.50","b":"AA==","1":2}'
    for wrong in ({"a": object()}, {"a": 2**70}, {"a": "\ud800"}):
        with pytest.raises(DataError):
            encoded(wrong, "t@1")


def test_sizes_of_many_indices_are_asked_for_in_pieces() -> None:
    names = [f"shop.public.some_ä_table_{n}-g1" for n in range(500)]
    asked = list(requests_of(names))
    assert all(len(path) <= LONGEST_PATH for path in asked)
    assert [name for path in asked for name in unquote(path.split("/")[1]).split(",")] == names
    assert list(requests_of([])) == []
