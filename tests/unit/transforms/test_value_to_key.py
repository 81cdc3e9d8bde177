"""ValueToKey; schemas and defaults as Kafka 4.3.1 makes them."""

from __future__ import annotations

import pytest

from headwater.transforms.value_to_key import ValueToKey
from headwater.worker.api import DataError, Record, Type, primitive, struct

ID, NAME = primitive(Type.INT32), primitive(Type.STRING, True, default="none")
ROW = struct({"id": ID, "name": NAME}, name="p.s.t.Value", version=2, optional=True)


def transform(**options: str) -> ValueToKey:
    made = ValueToKey()
    values, problems = made.options.parse({name.replace("_", "."): text for name, text in options.items()})
    assert not problems
    made.configure(values)
    return made


def test_the_key_is_a_plain_struct_of_these_fields() -> None:
    made = transform(fields="name,id")
    first, second = (
        made.apply(Record("t", "old", {"id": n, "name": None}, ID, ROW, version=7, partition=2)) for n in (1, 2)
    )
    assert first.key == {"name": "none", "id": 1} and list(first.key) == ["name", "id"]
    assert first.key_schema == struct({"name": NAME, "id": ID})
    assert first.key_schema is second.key_schema
    assert (first.value, first.version, first.partition) == ({"id": 1, "name": None}, 7, 2)


def test_nulls_stay_where_defaults_are_off() -> None:
    made = transform(fields="name", replace_null_with_default="false")
    assert made.apply(Record("t", value={"id": 1, "name": None}, value_schema=ROW)).key == {"name": None}


def test_without_a_schema() -> None:
    record = transform(fields="a,b").apply(Record("t", "old", {"a": 1, "c": 2}, key_schema=ID))
    assert (record.key, record.key_schema) == ({"a": 1, "b": None}, None)


@pytest.mark.parametrize(
    "record",
    [
        Record("t", value=None),
        Record("t", value="text", value_schema=primitive(Type.STRING)),
        Record("t", value={"x": 1}, value_schema=struct({"x": ID})),
    ],
)
def test_what_has_no_such_fields_is_refused(record: Record) -> None:
    with pytest.raises(DataError):
        transform(fields="id").apply(record)


def test_fields_are_needed() -> None:
    assert [p.option for p in ValueToKey.options.parse({"fields": ""})[1]] == ["fields"]
