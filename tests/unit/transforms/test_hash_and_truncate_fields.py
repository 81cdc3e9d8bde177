from __future__ import annotations

import hashlib
from typing import Any

import pytest

from headwater.connectors.debezium.names import ZONED_TIMESTAMP
from headwater.connectors.debezium.side_schemas import HEARTBEAT_VALUE_SCHEMA
from headwater.transforms.hash_fields import HashFields
from headwater.transforms.truncate_fields import TruncateFields
from headwater.worker.api import DataError, Record, Transform, Type, decimal, primitive, struct

TEXT = primitive(Type.STRING)
INNER = struct({"phone": primitive(Type.STRING, optional=True)}, optional=True)
ROW = struct({"id": primitive(Type.INT64), "email": TEXT, "inner": INNER, "price": decimal(2)}, optional=True)
EVENT = struct({"before": ROW, "after": ROW, "op": TEXT, "source": struct({"lsn": primitive(Type.INT64)})})
VALUE = {"id": 7, "email": "a@b.de", "inner": {"phone": "0123"}, "price": None}


def made(kind: type[Transform], **options: str) -> Any:
    transform = kind()
    values, problems = transform.options.parse({"fields": "email,inner.phone", **options})
    assert not problems
    transform.configure(values)
    return transform


def hashed(text: str) -> str:
    return hashlib.sha256(f"salt{text}".encode()).hexdigest()


def test_hashes_of_texts_and_numbers() -> None:
    transform = made(HashFields, salt="salt", fields="email,id,inner.phone")
    record = transform.apply(Record("t", {"id": 7}, VALUE, None, ROW, version=3))
    expected = {"id": hashed("7"), "email": hashed("a@b.de"), "inner": {"phone": hashed("0123")}, "price": None}
    assert record.value == expected and record.key == {"id": 7} and record.version == 3
    assert record.value_schema.get("id") == primitive(Type.STRING, parameters={"masked": "true"})
    assert transform.apply(Record("t", None, VALUE)).value == expected
    short = made(HashFields, salt="salt", length="8").apply(Record("t", None, VALUE)).value
    assert short["email"] == hashed("a@b.de")[:8]
    md5 = made(HashFields, salt="s", algorithm="MD5").apply(Record("t", None, VALUE)).value["email"]
    assert md5 == hashlib.md5(b"sa@b.de", usedforsecurity=False).hexdigest()


def test_texts_are_cut() -> None:
    transform = made(TruncateFields, length="2")
    record = transform.apply(Record("t", None, VALUE, None, ROW))
    assert record.value == VALUE | {"email": "a@", "inner": {"phone": "01"}}
    assert record.value_schema.get("email").parameters == {"truncateLength": "2"}
    zoned = struct({"email": primitive(Type.STRING, name=ZONED_TIMESTAMP, version=1), "inner": INNER})
    year = transform.apply(Record("t", None, {"email": "2024-01-01T00:00:00Z", "inner": None}, None, zoned))
    assert year.value["email"] == "20"  # for a view no timestamp any more
    assert year.value_schema.get("email") == primitive(Type.STRING, parameters={"truncateLength": "2"})
    assert transform.apply(Record("t", None, {"email": b"abc", "inner": None})).value == {"email": b"ab", "inner": None}
    unchanged = {"email": b"__debezium_unavailable_value", "inner": {"phone": None}}
    assert transform.apply(Record("t", None, unchanged)).value == unchanged


@pytest.mark.parametrize(("kind", "options"), [(HashFields, {"salt": "salt"}), (TruncateFields, {"length": "1"})])
def test_rows_of_change_events_nulls_and_placeholders(kind: type[Transform], options: dict[str, str]) -> None:
    transform = made(kind, **options)
    event = {"before": None, "after": VALUE, "op": "c", "source": {"lsn": 1}}
    flat = transform.apply(Record("t", None, VALUE)).value
    for schema in (EVENT, None):
        assert transform.apply(Record("t", None, event, None, schema)).value == event | {"after": flat}
    empty = {"id": 1, "email": "__debezium_unavailable_value", "inner": None, "price": None}
    assert transform.apply(Record("t", None, empty, None, ROW)).value == empty
    for of_no_table in (Record("t", 1), Record("h", None, {"ts_ms": 1}, None, HEARTBEAT_VALUE_SCHEMA)):
        assert transform.apply(of_no_table) is of_no_table


@pytest.mark.parametrize("fields", ["", "a,a", "a,a.b", "a.b,a", "a..b", ".a", "a."])
def test_fields_are_named_once_and_well(fields: str) -> None:
    _, problems = TruncateFields.options.parse({"fields": fields, "length": "1"})
    assert [problem.option for problem in problems] == ["fields"]
    assert not TruncateFields.options.parse({"fields": "a.b,ab,a.c", "length": "1"})[1]


def test_a_salt_that_is_empty_is_none() -> None:
    _, problems = HashFields.options.parse({"fields": "a", "salt": ""})
    assert [problem.option for problem in problems] == ["salt"]


@pytest.mark.parametrize(("kind", "options"), [(HashFields, {"salt": "salt"}), (TruncateFields, {"length": "1"})])
def test_what_cannot_be_done(kind: type[Transform], options: dict[str, str]) -> None:
    for fields in ("price", "inner", "nothing"):
        with pytest.raises(DataError, match=f"t: {kind.__name__}"):
            made(kind, **options, fields=fields).apply(Record("t", None, VALUE, None, ROW))
    for value in ("text", {"email": 1.5, "inner": None}, {"email": ["a"], "inner": None}):
        with pytest.raises(DataError, match=f"t: {kind.__name__}"):
            made(kind, **options).apply(Record("t", None, value))


@pytest.mark.parametrize(("kind", "options"), [(HashFields, {"salt": "salt"}), (TruncateFields, {"length": "1"})])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inner": {"fone": "0123"}}, "no field 'inner.phone'"),
        ({"inner": [{"phone": "0123"}]}, "the field inner holds no fields"),
        ({"inner": "0123"}, "the field inner holds no fields"),
        (None, "no field 'email'"),
    ],
)
def test_nothing_stays_in_clear_without_schemas(
    kind: type[Transform], options: dict[str, str], change: dict[str, Any] | None, said: str
) -> None:
    row = {"id": 7, "inner": None} if change is None else VALUE | change
    event = {"before": None, "after": row, "op": "c", "source": {}}
    for value in (row, event, event | {"before": row, "after": VALUE}):
        with pytest.raises(DataError, match=said):
            made(kind, **options).apply(Record("t", None, value))
