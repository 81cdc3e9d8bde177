"""ReplaceField; the schemas and defaults as Kafka 4.3.1 makes them."""

from __future__ import annotations

import pytest

from headwater.transforms.replace_field import ReplaceFieldKey, ReplaceFieldValue
from headwater.worker.api import NO_DEFAULT, DataError, Record, Type, primitive, struct

ID, V = primitive(Type.INT32), primitive(Type.STRING, True, default="dflt")
ROW = struct({"id": ID, "v": V}, name="p.s.t.Value", optional=True, version=2, doc="d", parameters={"a": "b"})


def value_transform(**options: str) -> ReplaceFieldValue:
    made = ReplaceFieldValue()
    values, problems = made.options.parse({name.replace("_", "."): text for name, text in options.items()})
    assert not problems
    made.configure(values)
    return made


def test_exclude_and_rename() -> None:
    record = value_transform(exclude="id", renames="v:w").apply(
        Record("t", value={"id": 1, "v": None}, value_schema=ROW, version=5, offset=3)
    )
    assert record.value == {"w": "dflt"}
    assert record.value_schema == struct({"w": V}, name=ROW.name, version=2, doc="d", parameters={"a": "b"})
    assert (record.version, record.offset) == (5, 3)


def test_include_keeps_the_order_of_the_schema() -> None:
    made = value_transform(include="v,id", renames="v:id2", replace_null_with_default="false")
    record = made.apply(Record("t", value={"v": None, "id": 1}, value_schema=ROW))
    assert list(record.value.items()) == [("id", 1), ("id2", None)]
    assert record.value_schema is not None and [f.name for f in record.value_schema.fields] == ["id", "id2"]


def test_exclude_counts_before_include() -> None:
    assert value_transform(include="v,id", exclude="v").apply(Record("t", value={"id": 1, "v": "x"})).value == {"id": 1}


def test_one_schema_for_all_rows() -> None:
    made = value_transform(exclude="v")
    first, second = (made.apply(Record("t", value={"id": i, "v": "x"}, value_schema=ROW)) for i in range(2))
    assert first.value_schema is second.value_schema
    assert first.value_schema is not None and first.value_schema.default is NO_DEFAULT
    assert not first.value_schema.optional


def test_without_a_schema() -> None:
    record = Record("t", value={"a": 1, "b": None, "c": 3})
    assert value_transform(exclude="a", renames="b:x,no:y").apply(record).value == {"x": None, "c": 3}


def test_absent_fields_are_null() -> None:
    made = value_transform(exclude="v").apply(Record("t", value={}, value_schema=ROW))
    assert made.value == {"id": None}


def test_null_passes() -> None:
    record = Record("t", key=None, value=None, value_schema=ROW)
    assert value_transform(exclude="id").apply(record) is record


def test_keys() -> None:
    made = ReplaceFieldKey()
    made.configure(made.options.parse({"renames": "id:key"})[0])
    record = made.apply(Record("t", {"id": 1, "v": "x"}, "value", ROW))
    assert record.key == {"key": 1, "v": "x"} and record.value == "value"
    empty = Record("t", None, {"id": 1})
    assert made.apply(empty) is empty


def test_wrong_types() -> None:
    made = value_transform(exclude="id")
    with pytest.raises(DataError, match=r"t: ReplaceField\$Value: needs a struct, and this is STRING"):
        made.apply(Record("t", value="x", value_schema=primitive(Type.STRING)))
    with pytest.raises(DataError, match="needs a map, and this is a str"):
        made.apply(Record("t", value="x"))


def test_two_fields_of_one_name() -> None:
    with pytest.raises(DataError, match="would be called 'v'"):
        value_transform(renames="id:v").apply(Record("t", value={"id": 1, "v": "x"}, value_schema=ROW))


@pytest.mark.parametrize(
    ("name", "text"),
    [("renames", "a"), ("renames", "a:b:c"), ("renames", "a:"), ("blacklist", "a"), ("whitelist", "a")],
)
def test_wrong_options(name: str, text: str) -> None:
    _, problems = ReplaceFieldValue.options.parse({name: text})
    assert [problem.option for problem in problems] == [name]
