from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.debezium.names import variable_scale_decimal
from headwater.connectors.postgres.types.bits import bit_string
from headwater.connectors.postgres.types.column_type import Undecodable
from headwater.connectors.postgres.types.modes import ValueModes
from headwater.connectors.postgres.types.money import money
from headwater.connectors.postgres.types.number import BOOLEAN, FLOAT8, INT8, numeric, precision_and_scale
from headwater.worker.api import Type, decimal

PRECISE, DOUBLE, STRING = (ValueModes(decimal=mode) for mode in ("precise", "double", "string"))


def typmod(precision: int, scale: int) -> int:
    return ((precision << 16) | (scale & 0x7FF)) + 4


@given(st.integers(1, 1000), st.integers(-1000, 1000))
def test_typmod(precision: int, scale: int) -> None:
    assert precision_and_scale(typmod(precision, scale)) == (precision, scale)


def test_simple_values() -> None:
    assert [BOOLEAN.decode(text) for text in (b"t", b"f")] == [True, False]
    assert INT8.decode(b"-9223372036854775808") == -(2**63)
    assert FLOAT8.decode(b"-Infinity") == -math.inf and math.isnan(FLOAT8.decode(b"NaN"))
    assert str(FLOAT8.decode(b"-0")) == "-0.0"


def test_a_fixed_scale_is_connects_decimal() -> None:
    type = numeric(typmod(10, 2), PRECISE)
    assert type.schema == decimal(2, 10)
    assert str(type.decode(b"1.10")) == "1.10"


def test_a_negative_scale_keeps_its_unscaled_number() -> None:
    type = numeric(typmod(3, -2), PRECISE)
    assert type.schema.parameters["scale"] == "-2"
    assert type.decode(b"12300").as_tuple() == Decimal("123E+2").as_tuple()
    assert type.decode(b"0").as_tuple().exponent == 2


@pytest.mark.parametrize(
    ("text", "scale", "value"),
    [
        (b"10.1111", 4, b"\x01\x8a\xf7"),
        (b"10", 0, b"\x0a"),
        (b"0", 0, b"\x00"),
        (b"0.000", 0, b"\x00"),
        (b"1.50", 1, b"\x0f"),
        (b"-1.28", 2, b"\x80"),
        (b"-129", 0, b"\xff\x7f"),
        (b"128", 0, b"\x00\x80"),
        (b"1000", 0, b"\x03\xe8"),
    ],
)
def test_without_a_scale_each_value_brings_its_own(text: bytes, scale: int, value: bytes) -> None:
    type = numeric(-1, PRECISE)
    assert type.schema == variable_scale_decimal()
    assert type.decode(text) == {"scale": scale, "value": value}


@given(st.integers(-(10**60), 10**60), st.integers(0, 40))
def test_a_struct_means_the_same_number(unscaled: int, scale: int) -> None:
    text = format(Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -scale)), "f")
    struct = numeric(-1, PRECISE).decode(text.encode())
    back = int.from_bytes(struct["value"], "big", signed=True)
    assert back * 10 ** (scale - struct["scale"]) == unscaled


def test_the_largest_numeric() -> None:
    text = b"9" * 131072 + b"." + b"9" * 16383
    struct = numeric(-1, PRECISE).decode(text)
    assert struct["scale"] == 16383 and len(struct["value"]) == 61230
    assert str(numeric(typmod(1000, 500), PRECISE).decode(text)) == text.decode()


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"-Infinity"])
@pytest.mark.parametrize("mod", [-1, typmod(5, 2)])
def test_no_number_under_precise_says_the_way_out(text: bytes, mod: int) -> None:
    with pytest.raises(Undecodable, match=r"decimal\.handling\.mode"):
        numeric(mod, PRECISE).decode(text)


def test_no_number_under_the_other_modes() -> None:
    texts = (b"NaN", b"Infinity", b"-Infinity")
    assert [numeric(-1, STRING).decode(text) for text in texts] == ["NAN", "POSITIVE_INFINITY", "NEGATIVE_INFINITY"]
    assert repr([numeric(-1, DOUBLE).decode(text) for text in texts]) == "[nan, inf, -inf]"
    assert numeric(-1, STRING).decode(b"1.50") == "1.50"
    assert numeric(typmod(4, 1), DOUBLE).decode(b"1.5") == 1.5


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("$1,234.56", "1234.56"),
        ("-$0.05", "-0.05"),
        ("$92,233,720,368,547,758.07", "92233720368547758.07"),
        ("-$92,233,720,368,547,758.08", "-92233720368547758.08"),
        ("1.234,56 €", "1234.56"),
        ("-1.234,56 €", "-1234.56"),
        ("1\u202f234,56 €", "1234.56"),
        ("￥1,234", "1234"),
        ("￥-5", "-5"),
        ("kr. 1.234,56-", "-1234.56"),
        ("($1.00)", "-1.00"),
        ("CHF 1'234.56", "1234.56"),
        ("1.234,567 TND", "1234.567"),
    ],
)
def test_money_of_several_places(text: str, amount: str) -> None:
    assert money(STRING).decode(text.encode()) == amount
    assert money(ValueModes(money_fraction_digits=3)).decode(text.encode()) == Decimal(amount)


def test_money_rounds_to_the_digits_asked_for() -> None:
    type = money(ValueModes(money_fraction_digits=1))
    assert type.schema == decimal(1)
    assert str(type.decode(b"$0.25")) == "0.3"
    assert money(DOUBLE).decode(b"$0.25") == 0.25


@given(st.text("01", min_size=2, max_size=80))
def test_bits_are_little_endian(text: str) -> None:
    for length in (len(text), -1):
        value = bit_string(length).decode(text.encode())
        assert int.from_bytes(value, "little") == int(text, 2)
        assert not value.endswith(b"\0")


def test_one_bit_is_a_boolean() -> None:
    assert bit_string(1).schema.type is Type.BOOLEAN
    assert [bit_string(1).decode(text) for text in (b"0", b"1")] == [False, True]
    assert bit_string(24).decode(b"000000110000001000000001") == b"\x01\x02\x03"
    assert bit_string(24).schema.parameters == {"length": "24"}
    assert bit_string(-1).schema.parameters == {"length": "2147483647"}
    assert bit_string(-1).decode(b"") == b""
