from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.postgres.sink.naming import (
    LONGEST,
    generation_name,
    key_name,
    public_name,
    table_name,
    unknown_placeholders,
)
from headwater.connectors.postgres.sink.quoting import literal, qualified
from headwater.worker.api import DataError

SOURCE = {"schema": "sales", "table": "order.lines", "db": "shop"}


@pytest.mark.parametrize(
    ("pattern", "source", "expected"),
    [
        ("${topic}", SOURCE, ("", "shop_public_orders")),
        ("kept_${topic}", None, ("", "kept_shop_public_orders")),
        ("${source.schema}.${source.table}", SOURCE, ("sales", "order_lines")),
        ("${source.schema}.${source.table}", None, ("public", "orders")),
        ("copies.${source.db}_${source.table}", SOURCE, ("copies", "shop_order_lines")),
        ("Fixed", None, ("", "Fixed")),
    ],
)
def test_tables_are_named_as_the_format_says(
    pattern: str, source: dict[str, str] | None, expected: tuple[str, str]
) -> None:
    assert table_name(pattern, "shop.public.orders", source) == expected
    folded = table_name(pattern, "shop.public.orders", source, fold=True)
    assert folded == (expected[0].lower(), expected[1].lower())


@pytest.mark.parametrize("pattern", ["${source.connector}", "t" * 64, "${source.schema}.${source.table}"])
def test_names_that_cannot_be_made_are_errors_of_the_record(pattern: str) -> None:
    with pytest.raises(DataError):
        table_name(pattern, "orders", None)


def test_a_topic_that_keeps_its_dots_is_schema_and_table() -> None:
    assert table_name("${topic}", "public.Orders", None, dots=True) == ("public", "Orders")
    assert table_name("${topic}", "orders", None, dots=True) == ("", "orders")
    with pytest.raises(DataError, match="more than one dot"):
        table_name("${topic}", "shop.public.orders", None, dots=True)


def test_unknown_placeholders_are_found() -> None:
    assert unknown_placeholders("${topic}_${source.table}") == []
    assert unknown_placeholders("${table}_${topics") == ["${table}", "${topics"]


@given(st.text(min_size=1, max_size=70).filter(lambda t: len(t.encode()) <= LONGEST), st.integers(1, 99_999))
def test_generation_names_fit_and_differ(name: str, generation: int) -> None:
    made = generation_name(name, generation)
    assert len(made.encode()) <= LONGEST
    assert made != name and made != generation_name(name, generation + 1)
    if len(name.encode()) < 50:
        assert public_name(made, generation) == name


def test_long_names_that_begin_alike_stay_apart() -> None:
    assert generation_name("é" * 30 + "aaa", 2) != generation_name("é" * 30 + "aab", 2)
    assert key_name("n" * 62 + "1") != key_name("n" * 62 + "2")
    assert len(key_name("é" * 31).encode()) <= LONGEST and key_name("orders") == "orders_pkey"


def test_quoting() -> None:
    assert qualified('a"b', "select %s") == '"a""b"."select %s"'
    assert literal("it's") == "'it''s'"
