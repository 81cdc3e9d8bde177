"""Expressions: what they read, what they give, and that none hangs, fills memory or takes the process down."""

from __future__ import annotations

import sys
import time
from decimal import Decimal
from typing import Any

import pytest

from headwater.transforms.expression_paths import merge, shape
from headwater.transforms.expressions import VARIABLES, Evaluation, Expressions, WrongExpression, compiled
from headwater.worker.api import DataError, Header, Record, Type, decimal, primitive, struct


def value_of(text: str, value: Any = None, **changes: Any) -> Any:
    return Evaluation(text)(Record("t", None, value).replace(**changes))


@pytest.mark.parametrize(
    ("text", "roots", "path"),
    [
        ("value.a.b", {"value": {"a": {"b": None}}}, ("value", "a", "b")),
        ("value.a.b > 1 && value.a.c == 2", {"value": {"a": {"b": None, "c": None}}}, None),
        ("value.a.size() + value.a.b", {"value": {"a": None}}, None),
        ("value['a.b'].c", {"value": None}, None),
        ("value.a == 'value.b' // value.c", {"value": {"a": None}}, None),
        ("r'value.\\' + value.a", {"value": {"a": None}}, None),
        ("'''value.b'''+\"\"\"it's value.c\"\"\"+b'value.d'.string()", {}, None),
        ("has(value.a) ? key : x.value", {"value": {"a": None}, "key": None}, None),
        ("topic", {"topic": None}, ("topic",)),
        ("value . a", {"value": {"a": None}}, ("value", "a")),
        ("value.a.exists(key, key.b == (key.c)) && key.d", {"value": {"a": None}, "key": {"d": None}}, None),
        ("value.a.map(value, value.b).all(x, value.c == x)", {"value": {"a": None, "c": None}}, None),
        ("value.a.contains(key, topic)", {"value": {"a": None}, "key": None, "topic": None}, None),
    ],
)
def test_what_is_read(text: str, roots: dict[str, Any], path: tuple[str, ...] | None) -> None:
    found = shape(text, VARIABLES)
    assert (found.roots, found.path) == (roots, path)


@pytest.mark.parametrize(
    ("texts", "roots"),
    [
        (("value.a.b", "value.a.c"), {"value": {"a": {"b": None, "c": None}}}),
        (("value.a", "value.a.c"), {"value": {"a": None}}),
        (("value.a.c", "value.a"), {"value": {"a": None}}),
        (("key.a", "value", "value.a"), {"key": {"a": None}, "value": None}),
    ],
)
def test_what_several_read(texts: tuple[str, ...], roots: dict[str, Any]) -> None:
    together: dict[str, Any] = {}
    for text in texts:
        merge(together, shape(text, VARIABLES).roots)
    assert together == roots


def test_several_over_one_record() -> None:
    expressions = [compiled(text) for text in ("value.a + 1", "value.b + '!'", "topic")]
    bound = Expressions(expressions).bind(Record("t", None, {"a": 1, "b": "x"}))
    assert [expression.within(bound) for expression in expressions] == [2, "x!", "t"]


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        ("value.all(x, x > 1)", 1),
        ("value.map(x, x).map(y, y)", 1),
        ("value.map(x, value.filter(y, (y > 1)).size())", 2),
        ("value.map(x, f(value.all(y, y.exists(z, z))))", 3),
        ("value.map", 0),
    ],
)
def test_loops_within_each_other(text: str, loops: int) -> None:
    assert shape(text, VARIABLES).loops == loops


@pytest.mark.parametrize(
    ("text", "value", "result"),
    [
        ("value", {"a": [1, None, "x", 1.5, True, {"b": b"\x01"}]}, {"a": [1, None, "x", 1.5, True, {"b": b"\x01"}]}),
        ("value.d == 1.5", {"d": Decimal("1.50")}, True),
        ("value.d", {"d": Decimal("42")}, 42),
        ("value.d > 1", {"d": Decimal("NaN")}, False),
        ("value.d > 1", {"d": Decimal("sNaN")}, False),
        ("value.d == 1e22 && value.e < 0.0", {"d": Decimal("1E+22"), "e": Decimal("-Infinity")}, True),
        ("value['größe'] + value.if", {"größe": 1, "if": 2}, 3),
        ("value.n == -9223372036854775808", {"n": -(2**63)}, True),
        ("value.s.lower() + value.s.upper() + value.s.trim()", {"s": "Ä "}, "ä Ä Ä"),
        ("value.s.split(',').join('-').replace('a', 'bb')", {"s": "a,b"}, "bb-b"),
        ("value.s.substring(1) + value.s.substring(0, 1)", {"s": "xyz"}, "yzx"),
        ("value.s.matches('^a+$')", {"s": "aaa"}, True),
        ("value.b.size() == 2 && value.b == b'\\x00\\xff'", {"b": b"\x00\xff"}, True),
        ("string(days(1)) + string(millis(1500)) + string(micros(-1))", None,
         "1970-01-02T00:00:00Z1970-01-01T00:00:01.500Z1969-12-31T23:59:59.999999Z"),
        ("millis(value.t).getHours('Europe/Berlin')", {"t": 0}, 1),
        ("value.l.filter(x, x > 1).map(x, x * 2)", {"l": [1, 2, 3]}, [4, 6]),
        ("{'a': value.x, 'b': null}", {"x": None}, {"a": None, "b": None}),
    ],
)  # fmt: skip
def test_results(text: str, value: Any, result: Any) -> None:
    assert value_of(text, value) == result


def test_a_field_of_a_struct_that_is_absent_is_null() -> None:
    schema = struct({"a": primitive(Type.INT32, True), "d": decimal(1, None, True)})
    assert value_of("value.a == null && value.d == null", {}, value_schema=schema) is True
    with pytest.raises(DataError, match="Key not found"):
        value_of("value.a == null", {})


def test_headers_are_text_where_they_are() -> None:
    headers = (Header("h", b"old"), Header("h", "\u00e9".encode()), Header("b", b"\xff"), Header("n", 5))
    assert value_of("headers", headers=headers) == {"h": "\u00e9", "b": b"\xff", "n": 5}


@pytest.mark.parametrize(
    "value",
    [2**63, Decimal("1234567890123456.7"), Decimal("1E+400"), Decimal("-1E-400"), "\ud800", "a\0b", {"a\0": 1}],
)
def test_what_would_not_be_the_same_is_refused(value: Any) -> None:
    with pytest.raises(DataError):
        value_of("value.a == 1", {"a": value})
    assert value_of("value.b == 1", {"a": value, "b": 1}) is True


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("value.map(x, value.map(y, value.size())).size() > 0", list(range(2_000))),
        ("value.all(x, value.all(y, x + y >= 0))", list(range(20_000))),
        ("value.l.map(x, value.s + value.s)", {"l": list(range(5_000)), "s": "x" * 100_000}),
        ("value.l.map(x, value.s)", {"l": list(range(5_000)), "s": "x" * 100_000}),
        ("[value, value, value, value, value, value, value, value, value]", "x" * 2_000_000),
        ("value.replace('', value)", "x" * 100_000),
        ("value.l.map(x, value.s.upper()).size()", {"l": list(range(5_000)), "s": "x" * 100_000}),
        ("value.l.join(value.s)", {"l": ["x"] * 5_000, "s": "x" * 100_000}),
        ("value.s.split(',').map(x, value.s + x).size()", {"s": "," * 9_000 + "x" * 200_000}),
        ("value.s.split(',').map(x, x).size()", {"s": "," * 4_000}),
        ("value.map(x, x).size()", list(range(4_001))),
        ("value.map(x, value + value).size()", list(range(3_000))),
        ("value.map(x, value)", list(range(600))),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 100 else "",
)
def test_none_hangs_or_fills_memory(text: str, value: Any) -> None:
    began = time.monotonic()
    with pytest.raises(DataError):
        value_of(text, value)
    assert time.monotonic() - began < 120


@pytest.mark.parametrize(
    "text",
    [
        "value" + " + value" * 500,
        "(" * 300 + "1" + ")" * 300,
        "value" + ".a" * 400,
        "'" + "x" * 5_000 + "'",
        "value.map(a, value.map(b, value.map(c, 1)))",
        "[" * 200 + "]" * 200,
    ],
    ids=lambda text: text[:20],
)
def test_too_much_is_refused_at_once(text: str) -> None:
    with pytest.raises(WrongExpression):
        compiled(text)


@pytest.mark.parametrize(
    ("text", "value", "said"),
    [
        ("18446744073709551615u", None, r"beyond 64 bits.*string\("),
        ("[value.u + 9223372036854775808u]", {"u": 1}, "No matching overloads"),
        ("value.l.join(',')", {"l": ["a", 1]}, r"join takes texts alone; write \.map"),
        ("days(value.n)", {"n": 10**12}, r"days\(1000000000000\) is beyond the years"),
        ("micros(value.n)", {"n": -(2**63)}, "is beyond the years"),
        ("duration('1h')", None, "of the type duration; make text"),
    ],
)
def test_results_that_no_field_holds(text: str, value: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        value_of(text, value)


def test_what_is_nested_too_deep_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"a": deep}
    with pytest.raises(DataError, match="nested too deep"):
        value_of("value", deep)
    assert value_of("value.b == 1", {"a": deep, "b": 1}) is True


def test_hard_regular_expressions_are_quick() -> None:
    assert value_of("value.matches('^(a+)+$')", "a" * 50_000 + "b") is False
    with pytest.raises(DataError, match="invalid repetition size"):
        value_of("value.matches('(((a{100}){100}){100}){100}')", "a")


def test_nulls_do_not_use_python_up() -> None:
    """The library's value() of a null takes a reference that it does not have; Python 3.11 ends when none is left."""
    expressions = [
        Evaluation(text) for text in ("value.a", "value", "[value.a]", "{'a': dyn(null)}", "value.a == null")
    ]
    record = Record("t", None, {"a": None, "b": [None]})
    before = sys.getrefcount(None)
    for _ in range(2_000):
        for expression in expressions:
            expression(record)
    assert sys.getrefcount(None) > before - 1_000


def test_errors_say_where() -> None:
    for text, said in (
        ("value.a >", "column 10: Syntax error"),
        ("1 +\n  valeu", "line 2, column 3: .*did you mean value"),
        ("value.a ? 'x' : null", r"dyn\(…\)"),
        ("1 + 2.0", r"double\(…\)"),
        ("value.nope(1)", "no such function"),
        ("value.größe", r"value\['name'\]"),
        ("value.in", r"value\['name'\]"),
    ):
        with pytest.raises(WrongExpression, match=said):
            compiled(text)
