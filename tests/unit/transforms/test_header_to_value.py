"""HeaderToValue, where it differs from Debezium's; tests/compat compares the rest."""

from __future__ import annotations

import pytest

from headwater.transforms.header_to_value import HeaderToValue
from headwater.worker.api import ConfigError, DataError, Header, Record, Type, primitive, struct

from .configured import configured

INT, TEXT = primitive(Type.INT32), primitive(Type.STRING)
ROW = struct({"id": INT, "s": struct({"x": INT}, optional=True)}, name="row")
HEADERS = (Header("a", "x", TEXT), Header("b", 2, INT), Header("c", b"raw"))


def test_nested_fields_and_structs_on_the_way() -> None:
    made = configured(HeaderToValue, headers="a,b,c", fields="s.a,new.deep.b,c", operation="move")
    value = {"id": 1, "s": {"x": 5}}
    record = made.apply(Record("t", None, value, None, ROW, HEADERS))
    assert record.value == {"id": 1, "s": {"x": 5, "a": "x"}, "c": "raw", "new": {"deep": {"b": 2}}}
    assert record.headers == () and value == {"id": 1, "s": {"x": 5}}
    assert record.value_schema is made.apply(Record("t", None, value, None, ROW, HEADERS)).value_schema
    deep = record.value_schema and record.value_schema.get("new")
    assert deep == struct({"deep": struct({"b": INT}, optional=True)}, optional=True)


def test_other_headers_another_schema() -> None:
    made = configured(HeaderToValue, headers="a,b", fields="a,b", operation="copy")
    names = []
    for headers in (HEADERS[:1], HEADERS[:2]):
        schema = made.apply(Record("t", None, {"id": 1, "s": None}, None, ROW, headers)).value_schema
        assert schema is not None
        names.append([field.name for field in schema.fields])
    assert names == [["id", "s", "a"], ["id", "s", "a", "b"]]


def test_values_without_schemas_and_bytes() -> None:
    made = configured(HeaderToValue, headers="a,c", fields="s.a,c", operation="copy")
    record = made.apply(Record("t", None, {"id": 1}, None, None, (*HEADERS[:1], Header("c", b"\xff"))))
    assert record.value == {"id": 1, "s": {"a": "x"}, "c": b"\xff"} and len(record.headers) == 2


@pytest.mark.parametrize(("fields", "value"), [("id", {"id": 1, "s": None}), ("id.x", {"id": 1, "s": None}), ("y", 5)])
def test_what_cannot_hold_them(fields: str, value: object) -> None:
    schema = ROW if isinstance(value, dict) else INT
    with pytest.raises(DataError, match="t: HeaderToValue"):
        configured(HeaderToValue, headers="a", fields=fields, operation="copy").apply(
            Record("t", None, value, None, schema, HEADERS)
        )


def test_a_field_for_each_header() -> None:
    with pytest.raises(ConfigError, match="2 fields for 1 headers"):
        configured(HeaderToValue, headers="a", fields="b,c", operation="copy")
