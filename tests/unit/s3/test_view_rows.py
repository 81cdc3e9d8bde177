"""Rows of a view -> the records that they were made of."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from headwater.connectors.debezium import names
from headwater.connectors.formats import Place, Row
from headwater.connectors.s3.source.view_rows import ViewRows
from headwater.worker.api import TIMESTAMP, DataError, Header, Record, Schema, Type, primitive, struct

TEXT = primitive(Type.STRING, True)
ID = primitive(Type.INT32, True)
EVENT = {"id": ID, "name": TEXT, "__op": TEXT, "__deleted": primitive(Type.BOOLEAN, True)}
ALWAYS = {"__topic": TEXT, "__partition": ID, "__offset": primitive(Type.INT64, True),
          "__timestamp": primitive(Type.INT64, True, name=TIMESTAMP, version=1)}  # fmt: skip
EXTRAS = {"__key": TEXT, "__version": primitive(Type.INT64, True), "__headers": TEXT}
AT = {"__topic": "shop.orders", "__partition": 0, "__offset": 7, "__timestamp": 1_700_000_000_000}


def made(columns: dict[str, Schema], key: tuple[str, ...] = (), key_fields: list[str] = [], **values: Any) -> Record:  # noqa: B006
    row = Row({name: values.get(name) for name in columns}, struct(columns), 1, Place(0, 1, 1), 10)
    record = ViewRows("", "shop.orders", key, key_fields).record(row)
    assert record is not None
    return record


def test_a_change_event() -> None:
    headers = '[{"name":"source","value":"é","type":"string"},{"name":"raw","value":"AP8=","type":"bytes"}]'
    record = made(EVENT | ALWAYS | EXTRAS, **AT, id=1, name="a", __op="c", __deleted=False, __key='{"id":1}',
                  __version=99, __headers=headers)  # fmt: skip
    assert (record.topic, record.timestamp_ms, record.version) == ("shop.orders", 1_700_000_000_000, 99)
    assert record.value == {"id": 1, "name": "a"} and record.value_schema == struct({"id": ID, "name": TEXT})
    assert record.key == {"id": 1} and record.key_schema == struct({"id": ID.with_(optional=False)})
    assert record.headers == (Header("source", "é", primitive(Type.STRING)), Header("raw", b"\x00\xff"))


def test_a_delete_is_a_tombstone() -> None:
    record = made(EVENT | ALWAYS | EXTRAS, **AT, id=1, name="a", __op="d", __deleted=True, __key='{"id":1}')
    assert (record.key, record.value, record.value_schema) == ({"id": 1}, None, None)
    with pytest.raises(DataError, match=r"metadata\.columns: key"):
        made(EVENT | ALWAYS, **AT, id=1, __op="d", __deleted=True)
    assert made(EVENT | ALWAYS, key_fields=["id"], **AT, id=1, __op="d", __deleted=True).key == {"id": 1}


def test_truncates_tell_of_no_row() -> None:
    row = Row({"id": None, "name": None, "__op": "t", "__deleted": False}, struct(EVENT), 1, Place(0, 1, 1), 10)
    assert ViewRows("", "t", (), []).record(row) is None


@pytest.mark.parametrize(
    ("text", "key", "type"),
    [('"a"', "a", Type.STRING), ("7", 7, Type.INT64), ("true", True, Type.BOOLEAN), ("1.5", 1.5, Type.FLOAT64)],
)
def test_keys_that_are_no_struct(text: str, key: object, type: Type) -> None:
    record = made({"name": TEXT} | ALWAYS | EXTRAS, **AT, name="a", __key=text)
    assert (record.key, record.key_schema) == (key, primitive(type))


def test_a_key_with_fields_that_the_row_lacks() -> None:
    record = made({"name": TEXT} | ALWAYS | EXTRAS, **AT, name="a", __key='{"id":1}')
    assert (record.key, record.key_schema) == ({"id": 1}, None)


@pytest.mark.parametrize(("id", "name"), [(2, "a"), (None, "a"), (1, "b")])
def test_fields_that_hold_something_else_than_those_of_the_key(id: int | None, name: str) -> None:
    record = made({"id": ID, "name": TEXT} | ALWAYS | EXTRAS, **AT, id=id, name=name, __key='{"id":1,"name":"a"}')
    assert (record.key, record.key_schema) == ({"id": 1, "name": "a"}, None)
    assert record.value == {"id": id, "name": name}


def test_a_part_of_a_key_that_is_null_in_some_rows() -> None:
    rows = ViewRows("", "t", (), [])
    columns = struct({"id": ID, "part": TEXT} | ALWAYS | EXTRAS)
    found = []
    for part in ("a", None, "b"):
        values = AT | {"id": 1, "part": part, "__key": orjson.dumps({"id": 1, "part": part}).decode()}
        row = Row({field.name: values.get(field.name) for field in columns.fields}, columns, 1, Place(0, 1, 1), 10)
        record = rows.record(row)
        assert record is not None and record.key_schema is not None
        found.append((record.key, record.key_schema.get("part")))
    assert found == [
        ({"id": 1, "part": part}, TEXT.with_(optional=part is None)) for part in ("a", None, "b")
    ]  # fmt: skip


def test_values_that_are_no_struct() -> None:
    record = made({"value": TEXT} | ALWAYS, **AT, value="a")
    assert (record.value, record.value_schema) == ("a", TEXT)
    free = primitive(Type.STRING, True, name=names.JSON, version=1)
    record = made({"value": free} | ALWAYS, **AT, value='{"a":[1]}')
    assert (record.value, record.value_schema) == ({"a": [1]}, None)


def test_a_latest_state() -> None:
    record = made({"id": ID, "name": TEXT}, ("id",), id=1, name="a")
    assert (record.topic, record.key, record.value) == ("shop.orders", {"id": 1}, {"id": 1, "name": "a"})
    free = primitive(Type.STRING, True, name=names.JSON, version=1)
    record = made({"__key": free, "value": TEXT}, ("__key",), __key='"k"', value="a")
    assert (record.key, record.value) == ("k", "a")
    record = made({"__key": ID, "value": TEXT}, ("__key",), __key=7, value="a")
    assert (record.key, record.key_schema, record.value) == (7, ID.with_(optional=False), "a")
