from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.postgres.catalog import ColumnInfo, TableInfo, TypeInfo, Types
from headwater.connectors.postgres.source.codec import TableCodec
from headwater.connectors.postgres.source.pgoutput import UNCHANGED, Relation, RelationColumn
from headwater.connectors.postgres.source.relation import with_relation
from headwater.connectors.postgres.types.modes import ValueModes
from headwater.worker.api import DataError, Fatal, Type, primitive

TYPES = Types(
    lambda: [
        TypeInfo(3615, "pg_catalog", "tsquery"),
        TypeInfo(1009, "pg_catalog", "_text", element=25),
        TypeInfo(25, "pg_catalog", "text"),
        TypeInfo(20000, "public", "hstore"),
    ]
)
MODES = ValueModes()
ORDERS = TableInfo(
    oid=1,
    schema="shop",
    name="orders",
    kind="r",
    columns=(
        ColumnInfo("id", 1, 23, not_null=True),
        ColumnInfo("note", 2, 25, default="'x'::text"),
        ColumnInfo("query", 3, 3615),
        ColumnInfo("price", 4, 1700, (10 << 16 | 2) + 4, not_null=True),
    ),
    key=("id",),
)


def codec(table: TableInfo = ORDERS, modes: ValueModes = MODES, **options: object) -> TableCodec:
    return TableCodec(table, TYPES, modes, "srv", **options)  # type: ignore[arg-type]


def table_of(*columns: ColumnInfo, **attributes: object) -> TableInfo:
    return TableInfo(1, "s", "t", "r", columns, **attributes)  # type: ignore[arg-type]


def test_rows_and_schemas() -> None:
    made = codec()
    values = [b"1", None, b"'a'", b"2.50"]
    row = made.decode_row(values)
    assert row == {"id": 1, "note": None, "price": Decimal("2.50")} and list(row) == ["id", "note", "price"]
    assert made.key(row, values) == {"id": 1}
    assert made.names == ("id", "note", "price") and made.omitted == ("query",)
    assert made.row_schema.name == "srv.shop.orders.Value" and not made.row_schema.optional
    assert made.row_schema.get("note") == primitive(Type.STRING, optional=True)
    assert made.row_schema.get("id") == primitive(Type.INT32)
    assert made.key_schema is not None and made.key_schema.name == "srv.shop.orders.Key"
    assert [field.name for field in made.key_schema.fields] == ["id"]


def test_a_default_stands_where_null_cannot() -> None:
    columns = (ColumnInfo("a", 1, 25, not_null=True, default="'x'::text"), ColumnInfo("b", 2, 25, default="'x'::text"))
    schema = codec(table_of(*columns)).row_schema
    assert schema.get("a") == primitive(Type.STRING, default="x")
    assert schema.get("b") == primitive(Type.STRING, optional=True)


def test_two_codecs_of_one_table_have_equal_schemas() -> None:
    assert codec().row_schema == codec().row_schema
    assert codec().row_schema != codec(modes=ValueModes(decimal="double")).row_schema


def test_columns_come_in_the_order_delivered() -> None:
    made = codec(delivered=["price", "id"])
    assert made.decode_row([b"1.00", b"7"]) == {"price": Decimal("1.00"), "id": 7}
    assert made.names == ("price", "id")


def test_unknown_types_are_included_where_asked_for() -> None:
    made = codec(modes=ValueModes(include_unknown=True))
    assert made.decode_row([b"1", None, b"'a'", b"2.50"])["query"] == b"'a'"
    assert made.omitted == ()


def test_a_type_that_was_dropped_leaves_its_text() -> None:
    made = codec(table_of(ColumnInfo("mood", 1, 30000)))
    assert made.decode_row([b"sad"]) == {"mood": "sad"}


def test_an_excluded_column_of_the_key_stays_in_the_key() -> None:
    made = codec(include=lambda column: column.name != "id")
    values = [b"1", b"a", None, b"2.50"]
    row = made.decode_row(values)
    assert row == {"note": "a", "price": Decimal("2.50")}
    assert made.row_schema.get("id") is None
    assert made.key(row, values) == {"id": 1}


def test_where_the_key_comes_from() -> None:
    columns = (ColumnInfo("a", 1, 23), ColumnInfo("b", 2, 23, not_null=True))
    keyless = codec(table_of(*columns))
    assert keyless.key_schema is None and keyless.key({"a": 1, "b": 2}, [b"1", b"2"]) is None
    assert codec(table_of(*columns, identity_key=("b",))).key_columns == ("b",)
    assert codec(table_of(*columns, identity_key=("b",), key=("b", "a"))).key_columns == ("b", "a")
    assert codec(table_of(*columns, key=("a",)), key=["b"]).key_columns == ("b",)
    assert codec(table_of(*columns, key=("a",)), key=[]).key_schema is None


def test_a_key_that_events_cannot_hold() -> None:
    with pytest.raises(Fatal, match=r"shop\.orders: the key column query .* type .*message\.key\.columns"):
        codec(key=["query"])
    with pytest.raises(Fatal, match=r"key column id is not among the published columns"):
        codec(delivered=["note"])
    with pytest.raises(Fatal, match=r"has no column other"):
        codec(delivered=["id", "other"])


def test_an_error_names_the_column_and_not_the_value() -> None:
    with pytest.raises(DataError, match=r"^shop\.orders\.price: the value cannot be decoded: .*decimal") as caught:
        codec().decode_row([b"1", None, None, b"NaN"])
    assert caught.value.__cause__ is not None
    with pytest.raises(DataError, match=r"^shop\.orders\.note"):
        codec().decode_row([b"1", b"\xff", None, b"1.00"])


def test_a_row_of_another_width_is_fatal() -> None:
    with pytest.raises(Fatal, match="2 columns where 4 were announced"):
        codec().decode_row([b"1", None])


def test_placeholders_of_unchanged_values() -> None:
    table = table_of(
        ColumnInfo("text", 1, 25),
        ColumnInfo("bytes", 2, 17),
        ColumnInfo("texts", 3, 1009),
        ColumnInfo("map", 4, 20000),
        ColumnInfo("number", 5, 23),
    )
    name = "__debezium_unavailable_value"
    values = [UNCHANGED] * 4 + [b"1"]
    made = codec(table)
    row = made.decode_row(values)
    assert row == {"text": name, "bytes": name.encode(), "texts": [name], "map": f'{{"{name}":"{name}"}}', "number": 1}
    assert made.unchanged(values) == ("text", "bytes", "texts", "map")
    assert made.unchanged([None] * 5) == ()
    assert codec(table, ValueModes(hstore="map")).decode_row(values)["map"] == {name: name}
    assert codec(table, ValueModes(unavailable_placeholder=b"?")).decode_row(values)["texts"] == ["?"]


def test_a_type_without_a_placeholder_says_the_way_out() -> None:
    with pytest.raises(DataError, match=r"shop\.orders\.price: .*toast\.policy=reselect"):
        codec().decode_row([b"1", None, None, UNCHANGED])


def test_an_unchanged_key_must_be_filled_in_first() -> None:
    made = codec(table_of(ColumnInfo("id", 1, 25), key=("id",)))
    with pytest.raises(DataError, match="key"):
        made.key({"id": "?"}, [UNCHANGED])


def test_an_old_key_fills_required_columns() -> None:
    row = codec().decode_old_key([b"1", None, None, None])
    assert row == {"id": 1, "note": None, "price": Decimal("0.00")}
    assert str(row["price"]) == "0.00"


BUILT_IN = (16, 17, 18, 20, 21, 26, 114, 600, 601, 602, 603, 604, 628, 700, 701, 718, 790, 869, 1009, 1042, 1082, 1083,
            1114, 1184, 1186, 1266, 1560, 1562, 1700, 2950, 3802, 20000)  # fmt: skip
OTHER_MODES = ValueModes("string", "isostring", "base64", "string", "map", 0, include_unknown=True)
LOOK_ALIKES = st.text('0123456789-+:. "{}(),\\x[]=>BCyearmonsdayNULLinfinity$', max_size=30).map(str.encode)


@given(st.sampled_from(BUILT_IN), st.integers(-1, 40), st.sampled_from([MODES, OTHER_MODES]), st.binary() | LOOK_ALIKES)
def test_random_bytes_raise_nothing_but_a_data_error(oid: int, typmod: int, modes: ValueModes, value: bytes) -> None:
    try:
        codec(table_of(ColumnInfo("c", 1, oid, typmod)), modes).decode_row([value])
    except DataError as error:
        assert str(error).startswith("s.t.c: ")


def relation(*columns: RelationColumn, identity: str = "d") -> Relation:
    return Relation(1, "shop", "orders", identity, columns)


def test_a_relation_decides_the_columns_and_the_catalog_the_rest() -> None:
    sent = relation(
        RelationColumn(True, "id", 23, -1),
        RelationColumn(False, "gone", 25, -1),
        RelationColumn(False, "note", 1043, 14),
        RelationColumn(False, "price", 1700, (12 << 16 | 4) + 4),
    )
    table = with_relation(ORDERS, sent)
    assert [column.name for column in table.columns] == ["id", "gone", "note", "price"]
    assert table.key == ("id",)
    note = table.column("note")
    assert note is not None and note.default is None and note.type_oid == 1043
    price = table.column("price")
    assert price is not None and price.not_null and price.typmod == (12 << 16 | 4) + 4
    gone = table.column("gone")
    assert gone is not None and not gone.not_null


def test_a_key_from_the_future_gives_way_to_the_servers() -> None:
    sent = relation(RelationColumn(True, "old_id", 23, -1), RelationColumn(False, "note", 25, -1))
    assert with_relation(ORDERS, sent).key == ("old_id",)
    assert with_relation(None, sent).key == ("old_id",)
    full = relation(RelationColumn(True, "old_id", 23, -1), RelationColumn(True, "note", 25, -1), identity="f")
    assert with_relation(ORDERS, full).key == ()
    index = relation(RelationColumn(True, "old_id", 23, -1), identity="i")
    table = with_relation(None, index)
    assert (table.key, table.identity_key) == ((), ("old_id",))
