from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.formats.field_types import field_types
from headwater.connectors.formats.json_lines import JsonLines

from .content import bad, read_all, read_growing, read_in_steps, values

FREE = JsonLines({}, 1000)


def test_values_as_they_come() -> None:
    rows = read_all(FREE, b'{"a": 1, "b": [null, 1.5]}\r\n\n  \n[1]\n"x"\n{"c": "\xc3\xa9"}')
    assert values(rows) == [{"a": 1, "b": [None, 1.5]}, [1], "x", {"c": "é"}]
    assert [row.line for row in rows] == [1, 4, 5, 6]


def test_what_is_no_json_is_bad() -> None:
    rows = read_all(FREE, b'{"a": 1\n{"a": 2}\n\xff\n')
    assert values(rows) == [{"a": 2}]
    assert [line for line, _ in bad(rows)] == [1, 3]


def test_types_make_a_schema() -> None:
    typed = JsonLines(field_types(["id:int64", "price:decimal(2)", "at:timestamp", "ok:boolean", "name:string"]), 1000)
    data = b'{"id": 1, "price": 1.5, "at": "1970-01-02T00:00:00.5Z", "ok": true}\n{"id": "1", "name": 5}\n'
    rows = read_all(typed, data + b'{"id": 1.5}\n{"other": 1}\n[]\n{"price": 1.555}\n{"ok": 1}\n')
    assert values(rows) == [{"id": 1, "price": Decimal("1.50"), "at": 86_400_500, "ok": True, "name": None}]
    assert [reason for _, reason in bad(rows)] == [
        "name: 5 is not string",
        "id: '1.5' is not int64",
        "has fields that the option types does not list: other",
        "is no JSON object, which the option types asks for",
        "price: '1.555' is not decimal(2)",
        "ok: 1 is not boolean",
    ]


def test_long_numbers_are_what_they_say() -> None:
    """A parser that makes floats of them gives neighbours, and nobody notices."""
    typed = JsonLines(field_types(["total:decimal(2)", "id:int64", "ratio:float64"]), 1000)
    rows = read_all(typed, b'{"total": 12345678901234567.89, "id": 9223372036854775807, "ratio": 0.12345678901234567}\n'
                    b'{"total": 123456789012345678901, "ratio": 1.5}\n{"id": 9223372036854775808}\n')  # fmt: skip
    assert values(rows) == [
        {"total": Decimal("12345678901234567.89"), "id": 2**63 - 1, "ratio": 0.12345678901234567},
        {"total": Decimal("123456789012345678901.00"), "id": None, "ratio": 1.5},
    ]
    assert [reason for _, reason in bad(rows)] == ["id: '9223372036854775808' is not int64"]
    rows = read_all(FREE, b'[18446744073709551615, 0.1234567890123456789]\n{"a": [-9223372036854775809]}\n'
                    b'"123456789012345678901234567890"\n[123456789012345678901234567890]\n')  # fmt: skip
    assert values(rows) == [[2**64 - 1, 0.1234567890123456789], "123456789012345678901234567890"]
    assert [(line, reason[:56]) for line, reason in bad(rows)] == [
        (2, "holds a whole number that is longer than 64 bits: -92233"),
        (4, "holds a whole number that is longer than 64 bits: 123456"),
    ]


def test_lists_within_each_other_as_often_as_nobody_needs() -> None:
    deep = b"[" * 1010 + b"12345678901234567890" + b"]" * 1010
    rows = read_all(JsonLines({}, 10_000), deep + b"\n[1]\n" + b"[" * 5000 + b"\n")
    assert values(rows) == [[1]]
    assert [line for line, _ in bad(rows)] == [1, 3] and "within each other" in bad(rows)[0][1]


PARTS = st.lists(st.sampled_from([b'{"a":1}', b"\n", b"\r\n", b"[2", b"]", b" ", b"3"]))


@given(PARTS, st.lists(st.integers(1, 5), max_size=5), st.sampled_from(["none", "gzip", "zstd"]), st.data())
def test_any_cut_gives_the_same_rows(parts: list[bytes], steps: list[int], codec: str, draw: st.DataObject) -> None:
    data = b"".join(parts)
    rows = read_all(FREE, data)
    assert read_in_steps(FREE, data, steps, codec) == rows
    assert read_growing(FREE, data, draw.draw(st.lists(st.integers(0, len(data)), max_size=5))) == rows
