from __future__ import annotations

import json
import math
from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.postgres.sink import kinds
from headwater.connectors.postgres.sink.kind_names import kind_named, widened
from headwater.connectors.postgres.sink.kinds import Kind


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (kinds.SMALLINT, -5),
        (kinds.BIGINT, 2**63 - 1),
        (kinds.DOUBLE, 0.1),
        (kinds.BOOLEAN, False),
        (kinds.TEXT, "é\n"),
        (kinds.BYTEA, b"\0\1"),
        (kinds.DATE, -719_893),
        (kinds.DATE, math.inf),
        (kinds.TIMESTAMP, -math.inf),
        (kinds.TIMESTAMPTZ, 123_456_789),
        (kinds.TIMETZ, (5, -3600)),
        (kinds.INTERVAL, (1, -2, 3)),
        (kinds.POINT, (1.5, -2.0)),
        (kinds.NUMERIC, Decimal("-0.001")),
        (kind_named("bit(5)"), "00101"),
        (kind_named("integer[]"), [1, None, -3]),
        (kind_named("text[]"), []),
        (kind_named("numeric(4,1)[]"), [Decimal("1.5"), None]),
    ],
)
def test_what_is_packed_can_be_unpacked(kind: Kind, value: Any) -> None:
    assert kind.unpack(kind.pack(value)) == value
    assert kind_named(kind.sql).sql == kind.sql


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (kinds.SMALLINT, 2**15),
        (kinds.INTEGER, "5"),
        (kinds.REAL, 1e300),
        (kinds.TEXT, "\0"),
        (kinds.TEXT, "\ud800"),
        (kinds.DATE, 2**32),
        (kinds.TIMESTAMP, 2**64),
    ],
)
def test_what_a_column_cannot_hold_is_refused(kind: Kind, value: Any) -> None:
    with pytest.raises((ValueError, OverflowError, kinds.struct.error)):
        kind.pack(value)


@given(st.integers(-(10**30), 10**30), st.integers(0, 20))
def test_equal_numbers_have_one_canonical_form(number: int, zeros: int) -> None:
    wide = Context(prec=100)
    thousandths = Decimal(number).scaleb(-3, wide)
    padded = thousandths.quantize(Decimal((0, (1,), -3 - zeros)), context=wide)
    assert kinds.NUMERIC.canonical(padded) == kinds.NUMERIC.canonical(thousandths)
    assert kinds.NUMERIC.canonical(Decimal(number)) == kinds.BIGINT.canonical(number)


def test_float_forms_do_not_tell_minus_zero_from_zero() -> None:
    assert kinds.DOUBLE.canonical(-0.0) == kinds.DOUBLE.canonical(0.0) == kinds.REAL.canonical(0.0)


_texts = st.text(max_size=5)
_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
)


@given(_documents)
def test_json_forms_do_not_depend_on_layout(value: Any) -> None:
    one, other = json.dumps(value, indent=2, sort_keys=True), json.dumps(value, ensure_ascii=False)
    assert kinds.JSONB.canonical(one) == kinds.JSONB.canonical(other)


def test_json_forms_keep_numbers_by_value() -> None:
    assert kinds.JSONB.canonical('{"b": 1.50, "a": 1e2, "a": 100.0}') == b'{"a":100,"b":1.5}'
    assert kinds.JSONB.canonical("0.1") != kinds.JSONB.canonical("0.10000000000000000001")


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("integer", "smallint", "integer"),
        ("smallint", "bigint", "bigint"),
        ("bigint", "numeric", "numeric"),
        ("numeric(5,2)", "integer", "numeric(12,2)"),
        ("numeric(5,2)", "numeric(4,3)", "numeric(6,3)"),
        ("numeric(1000,0)", "numeric(10,5)", "numeric"),
        ("real", "double precision", "double precision"),
        ("integer[]", "bigint[]", "bigint[]"),
        ("text", "text", "text"),
        ("integer", "text", "text"),
        ("text", "boolean", "text"),
        ("numeric(5,2)", "text", None),
        ("integer[]", "text[]", "text[]"),
        ("integer", "double precision", None),
        ("date", "timestamp without time zone", None),
        ("integer[]", "integer", None),
        ("bit(3)", "bit(4)", None),
    ],
)
def test_columns_are_widened_where_every_value_stays_what_it_is(column: str, value: str, expected: str | None) -> None:
    found = widened(kind_named(column), kind_named(value))
    assert (found and found.sql) == expected


def test_keys_do_not_become_text() -> None:
    """`id=5` and `id="5"` name different rows."""
    assert widened(kinds.INTEGER, kinds.TEXT, key=True) is None
    assert widened(kinds.INTEGER, kinds.BIGINT, key=True) == kinds.BIGINT
