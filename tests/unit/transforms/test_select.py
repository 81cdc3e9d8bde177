"""Select: filtering, computed fields, several records of one."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from headwater.transforms.select import Select
from headwater.worker.api import (
    DATE,
    TIMESTAMP,
    ConfigError,
    DataError,
    Header,
    Record,
    Schema,
    Type,
    array,
    decimal,
    primitive,
    struct,
)
from headwater.worker.config.lint import lint_files

from .configured import from_text

INT, TEXT, NULL_TEXT = primitive(Type.INT32), primitive(Type.STRING), primitive(Type.STRING, True)
DOUBLE = primitive(Type.FLOAT64, True)
ITEM = struct({"sku": TEXT, "count": INT, "price": decimal(2)}, name="item")
ORDER = struct({"id": INT, "status": NULL_TEXT, "note": NULL_TEXT, "items": array(ITEM)}, name="order", version=3)
KEY = struct({"id": INT}, name="k")
ITEMS = [{"sku": "a", "count": 2, "price": Decimal("1.50")}, {"sku": "b", "count": 1, "price": Decimal("9.99")}]


def order(schema: Schema | None = ORDER, **fields: Any) -> Record:
    value = {"id": 1, "status": "open", "note": None, "items": ITEMS} | fields
    key_schema = None if schema is None else KEY
    return Record("orders", {"id": 1}, value, key_schema, schema, (Header("tenant", b"t1"),), 5, 9, 2, 7)


def select(**options: str) -> Select:
    return from_text(Select, {name.replace("__", "."): text for name, text in options.items()})


def one(made: Select, record: Record) -> Record:
    result = made.apply(record)
    assert isinstance(result, Record)
    return result


def several(made: Select, record: Record) -> list[Record]:
    result = made.apply(record)
    assert isinstance(result, Iterable)
    return list(result)


@pytest.mark.parametrize(
    ("where", "stays"),
    [
        ("value.status == 'open'", True),
        ("value.status in ['paid', 'sent']", False),
        ("value.note == null && value.id > 0", True),
        ("value.items.exists(i, i.price > 9.5)", True),
        ("value.items.exists(item, item.price > 9.5)", True),
        ("value.items.map(value, value.count).exists(index, index == 1 && value.id == 2)", False),
        ("headers.tenant == 't1' && topic == 'orders' && timestamp_ms == 5 && partition == 2 && key.id == 1", True),
        ("!has(value.note)", False),
    ],
)
@pytest.mark.parametrize("schema", [ORDER, None])
def test_where(where: str, stays: bool, schema: Schema | None) -> None:
    record = order(schema)
    assert select(where=where).apply(record) == (record if stays else None)


def test_what_no_longer_matches_may_be_deleted_from_views() -> None:
    record = one(select(where="value.status == 'open'", otherwise="tombstone"), order(status="paid"))
    assert (record.key, record.value, record.value_schema, record.version) == ({"id": 1}, None, None, 9)


def test_computed_fields_and_their_types() -> None:
    made = select(
        set__total="double(value.items.size()) * 2.5",
        set__shout="value.status.upper() + '!'",
        set__status="value.status == 'open' ? 1 : 2",
        set__items="value.items.map(i, i.sku)",
        set__when="millis(timestamp_ms)",
        set__day="days(3)",
        set__flag="dyn(null)",
        set__price="value.items[1].price",
        set__small="value.id + 1",
        type__day="date",
        type__flag="boolean",
        type__price="decimal(3)",
        type__items="string",
        type__small="int32",
    )
    with pytest.raises(DataError, match=r"orders-2@7: Select: the field items is STRING"):
        made.apply(order())
    made = select(
        set__total="double(value.items.size()) * 2.5",
        set__status="value.status == 'open' ? 1 : 2",
        set__when="millis(timestamp_ms)",
        set__day="days(3)",
        set__price="value.items[1].price",
        set__small="value.id + 1",
        set__tags="['a', value.status + 'b']",
        type__day="date",
        type__price="decimal(3)",
        type__small="int32",
    )
    record = one(made, order())
    assert record.value == order().value | {
        "total": 5.0, "status": 1, "when": 5, "day": 3, "price": Decimal("9.990"), "small": 2, "tags": ["a", "openb"],
    }  # fmt: skip
    schema = record.value_schema
    assert schema is not None and (schema.name, schema.version) == ("order", 3)
    assert [field.name for field in schema.fields] == [
        "id", "status", "note", "items", "total", "when", "day", "price", "small", "tags",
    ]  # fmt: skip
    assert schema.get("status") == primitive(Type.INT64, True) and schema.get("total") == DOUBLE
    assert schema.get("when") == primitive(Type.INT64, True, name=TIMESTAMP, version=1)
    assert schema.get("day") == primitive(Type.INT32, True, name=DATE, version=1)
    assert schema.get("price") == decimal(3, None, True) and schema.get("tags") == array(NULL_TEXT, True)
    assert one(made, order()).value_schema is schema


def test_copied_fields_keep_type_and_every_digit() -> None:
    row = struct({"a": struct({"n": decimal(20), "b": primitive(Type.BYTES)}, optional=True)})
    number = Decimal("12345678901234567890.12345678901234567890")
    record = Record("t", None, {"a": {"n": number, "b": b"\xff"}}, None, row)
    made = one(select(keep="", set__n="value.a.n", set__b="value.a.b", key__n="value.a.n"), record)
    assert made.value == {"n": number, "b": b"\xff"} and made.key == {"n": number}
    assert made.value_schema == struct({"n": decimal(20, None, True), "b": primitive(Type.BYTES, True)})
    nothing = one(select(keep="", set__n="value.a.n"), record.replace(value={"a": None}))
    assert nothing.value == {"n": None}


@pytest.mark.parametrize("schema", [ORDER, None])
def test_one_record_to_several(schema: Schema | None) -> None:
    made = select(
        each="value.items",
        value="item",
        keep="sku,price",
        set__order_id="value.id",
        set__place="index",
        set__total="double(item.count) * item.price",
        type__total="float64",
        key__order_id="value.id",
        key__sku="item.sku",
        topic="'lines-' + item.sku",
    )
    records = several(made, order(schema))
    assert [record.value for record in records] == [
        {"sku": "a", "price": Decimal("1.50"), "order_id": 1, "place": 0, "total": 3.0},
        {"sku": "b", "price": Decimal("9.99"), "order_id": 1, "place": 1, "total": 9.99},
    ]
    assert [record.key for record in records] == [{"order_id": 1, "sku": sku} for sku in "ab"]
    assert [record.topic for record in records] == ["lines-a", "lines-b"]
    assert {(record.version, record.offset) for record in records} == {(9, 7)}
    if schema is not None:
        assert records[0].value_schema is records[1].value_schema and records[0].value_schema is not None
        assert [field.name for field in records[0].value_schema.fields] == [
            "sku",
            "price",
            "order_id",
            "place",
            "total",
        ]
        assert records[0].key_schema == struct({"order_id": INT, "sku": TEXT})


def test_items_are_filtered_and_lists_computed() -> None:
    skus = "value.items.filter(i, i.count > 0).map(i, i.sku)"
    made = select(each=skus, where="item != 'a'", keep="id", set__sku="item", type__sku="string")
    assert [record.value for record in several(made, order())] == [{"id": 1, "sku": "b"}]
    assert several(made, order(items=[])) == [] and several(select(each="value.items"), order(items=None)) == []
    with pytest.raises(DataError, match="no list"):
        made = select(each="value.status")
        made.apply(order(None))


@pytest.mark.parametrize(
    "options",
    [
        {"set.n": "size(value.items)"},
        {"where": "value.items.exists(i, i == item)"},
        {"set.t": "value['text']", "type.t": "string"},
    ],
)
def test_each_item_does_not_read_a_long_list_anew(options: dict[str, str]) -> None:
    made = from_text(Select, {"each": "value.items"} | options)
    short = Record("t", None, {"items": list(range(30)), "text": "x"})
    assert len(several(made, short)) == 30
    with pytest.raises(DataError, match="in a Select before"):
        made.apply(short.replace(value={"items": list(range(5_000)), "text": "x" * 1_000_000}))
    far = from_text(Select, {"each": "value.items", "where": "item == 9999", "set.text": "value.text"})
    assert len(several(far, short.replace(value={"items": list(range(10_000)), "text": "x" * 1_000_000}))) == 1


def test_tombstones() -> None:
    tombstone = Record("orders", {"id": 1}, None, KEY, None)
    assert select(where="value.status == 'open'").apply(tombstone) is tombstone
    assert select(where="value.status == 'open'", tombstones="drop").apply(tombstone) is None
    assert one(select(key__order="key.id"), tombstone).key == {"order": 1}
    assert select(key__status="value.status").apply(tombstone) is None


def test_tombstones_go_to_the_computed_topic() -> None:
    tombstone = Record("orders", {"id": 1}, None, KEY, None)
    for schema in (KEY, None):
        made = one(select(topic="'x_' + topic"), tombstone.replace(key_schema=schema))
        assert made == tombstone.replace(topic="x_orders", key_schema=schema)
    made = one(select(topic="'t' + string(key.id)", key__order="key.id"), tombstone)
    assert (made.topic, made.key, made.value) == ("t1", {"order": 1}, None)
    assert select(topic="value.status").apply(tombstone) is None  # nobody knows which topic has the row
    made = one(select(topic="'x_' + value.note", where="false", otherwise="tombstone"), order(note="n"))
    assert (made.topic, made.key, made.value, made.value_schema) == ("x_n", {"id": 1}, None, None)


def test_nested_values_and_keep() -> None:
    event = struct({"op": TEXT, "after": struct({"id": INT, "v": TEXT}, optional=True)})
    record = Record("t", None, {"op": "c", "after": {"id": 1, "v": "x"}}, None, event)
    made = one(select(value="value.after", keep="v", set__op="value.op"), record)
    assert made.value == {"v": "x", "op": "c"} and made.value_schema == struct({"v": TEXT, "op": TEXT})
    assert one(select(value="value.after"), record).value == {"id": 1, "v": "x"}
    deleted = one(select(value="value.after"), record.replace(value={"op": "d", "after": None}))
    assert (deleted.value, deleted.value_schema) == (None, None)
    with pytest.raises(DataError, match=r"t: Select: there is no field value\.before"):
        select(value="value.before").apply(record)


@pytest.mark.parametrize(
    ("options", "named", "said"),
    [
        ({"where": "value.id >"}, "where", "column 11: Syntax error"),
        ({"where": "valeu.id > 1"}, "where", "did you mean value"),
        ({"where": "value.id + 1"}, "where", "gives int and has to give bool"),
        ({"where": "'x'"}, "where", "gives string and has to give bool"),
        ({"where": "item.x == 1"}, "where", "without each"),
        ({"where": "value.items.map(x, 1).all(y, value.items.all(z, value.items.all(w, true)))"}, "where", "3 loops"),
        ({"each": "'x'"}, "each", "has to give list"),
        ({"each": "item"}, "each", "undeclared"),
        ({"value": "value.a + 1"}, "value", "must name one struct"),
        ({"set.a": "value.b + value.c"}, "set.a", "type.a: string"),
        ({"set.a": "1", "type.b": "string"}, "type.b", "no set.b"),
        ({"set.a": "1", "type.a": "number"}, "type.a", "is no type"),
        ({"set.a": "1 +\n 'x'"}, "set.a", "line 1, column 3|column 3"),
        ({"set.a.b": "1"}, "set.a.b", "unknown option"),
        ({"topic": "5"}, "topic", "has to give string"),
        ({"otherwise": "delete"}, "otherwise", "must be one of"),
    ],
)
def test_lint_finds_what_is_wrong(options: dict[str, str], named: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        from_text(Select, options)
    assert [problem.option for problem in caught.value.problems] == [named]


@pytest.mark.parametrize(
    ("options", "fields", "said"),
    [
        ({"where": "value.nope == 1"}, {}, "Key not found"),
        ({"where": "value.id"}, {}, "neither true nor false"),
        ({"where": "value.status.size() > 1"}, {"status": None}, "No matching overloads"),
        ({"set.a": "value.nope"}, {}, "no field value.nope"),
        ({"set.a": "value.id / 0", "type.a": "int64"}, {}, "divide by zero"),
        ({"set.a": "value.id", "type.a": "string"}, {}, "is STRING, and the expression gives 1"),
        ({"set.a": "value.id * 4000000000", "type.a": "int32"}, {}, "too large"),
        ({"set.a": "value.id / 3", "type.a": "decimal(2)"}, {"id": "x"}, "No matching overloads"),
        ({"set.a": "double(value.id) / 3.0", "type.a": "decimal(2)"}, {}, "decimal of scale 2"),
        ({"topic": "value.note"}, {}, "gives no name"),
    ],
)
def test_records_that_cannot_be_done(options: dict[str, str], fields: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        from_text(Select, options).apply(order(None if "nope" not in str(options) else ORDER, **fields))
    assert str(caught.value).startswith("orders-2@7: Select: ")


def test_lint_says_file_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "view.yaml"
    path.write_text(
        "name: v\nconnector.class: PostgresSink\ntopics: t\nconnection.url: postgresql://h/d\ntransforms: pick\n"
        "transforms.pick.type: Select\ntransforms.pick.where: value.total >\n"
        "transforms.pick.set.a: |\n  1 +\n  valeu.x\n"
    )
    problems = [str(problem) for problem in lint_files([path], {})[1]]
    assert problems == [
        f"{path}:7: transforms.pick.where: is no expression: column 14: Syntax error: mismatched input '<EOF>'",
        f"{path}:8: transforms.pick.set.a: is no expression: line 2, column 6: undeclared reference to 'valeu.x'; "
        "did you mean value?",
    ]
