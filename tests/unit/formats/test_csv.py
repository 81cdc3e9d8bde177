from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headwater.connectors.formats import Place, Unreadable
from headwater.connectors.formats.delimited import SAMPLE_ROWS, Delimited, Dialect
from headwater.connectors.formats.field_types import field_types
from headwater.worker.api import DATE, TIMESTAMP, Type

from .content import InMemory, bad, read_all, read_growing, read_in_steps, values

PLAIN = Delimited(Dialect())
GUESSED = Delimited(Dialect(types=None))


def test_header_quotes_and_line_feeds() -> None:
    rows = read_all(PLAIN, b'\xef\xbb\xbfid,"na""me"\r\n1,"a\r\nb, ""c"""\r\n\r\n2,5" pipe\r\n')
    assert values(rows) == [{"id": "1", 'na"me': 'a\r\nb, "c"'}, {"id": "2", 'na"me': '5" pipe'}]
    assert [row.line for row in rows] == [2, 5]


def test_dialects() -> None:
    tabs = Delimited(Dialect("\t", "", "\\", False, 2, ("a", "b"), "\\N"))
    assert values(read_all(tabs, b'# one\n# \xff\nx\\\ty\t"q\n')) == [{"a": "x\ty", "b": '"q'}]
    no_names = Delimited(Dialect(";", "'", header=False))
    assert values(read_all(no_names, b"1;'a;b'\n")) == [{"column_1": "1", "column_2": "a;b"}]


def test_types_given() -> None:
    types = field_types(["id:int32", "price:decimal(2)", "day:date", "at:timestamp", "ok:boolean", "f:float64"])
    typed = Delimited(Dialect(types=types))
    rows = read_all(typed, b"id,price,day,at,ok,f,text\n7,1.5,1970-01-03,1970-01-01 00:00:01,TRUE,1e3,007\n,,,,,,\n"
                           b"x,,,,,,\n1,2,3\n99999999999,,,,,,\n")  # fmt: skip
    assert values(rows) == [
        {"id": 7, "price": Decimal("1.50"), "day": 2, "at": 1000, "ok": True, "f": 1000.0, "text": "007"},
        dict.fromkeys(["id", "price", "day", "at", "ok", "f", "text"]),
    ]
    assert bad(rows) == [
        (4, "id: 'x' is not int32"),
        (5, "has 3 fields, not 7"),
        (6, "id: '99999999999' is not int32"),
    ]


def test_types_guessed() -> None:
    head = b"n,f,b,d,t,s,zero,empty,big\n"
    data = b"1,1.5,true,2026-01-02,2026-01-02T03:04:05Z,x,007,,12345678901234567890\n"
    data += b"-2,2,False,2026-01-03,2026-01-02 03:04:05,1,7,,1\n"
    row, other = read_all(GUESSED, head + data)
    assert row.schema is other.schema
    kinds = {field.name: (field.schema.type, field.schema.name) for field in row.schema.fields}
    assert kinds == {
        "n": (Type.INT64, None), "f": (Type.FLOAT64, None), "b": (Type.BOOLEAN, None), "d": (Type.INT32, DATE),
        "t": (Type.INT64, TIMESTAMP), "s": (Type.STRING, None), "zero": (Type.STRING, None),
        "empty": (Type.STRING, None), "big": (Type.STRING, None),
    }  # fmt: skip
    assert all(field.schema.optional for field in row.schema.fields)


def test_a_guess_holds_for_the_file() -> None:
    """Whatever comes later, and wherever reading begins again."""
    data = b"id\n" + b"".join(b"%d\n" % n for n in range(SAMPLE_ROWS)) + b"x\n5\n"
    rows = read_all(GUESSED, data)
    assert values(rows)[-1] == {"id": 5}
    assert bad(rows) == [(SAMPLE_ROWS + 2, "id: 'x' is not int64")]
    assert values(GUESSED.rows(InMemory(data), rows[-2].next)) == [{"id": 5}]


def test_a_quote_that_is_never_closed_spoils_one_line() -> None:
    rows = read_all(PLAIN, b'a,b\n1,2\n3,"4\n5,6\n')
    assert values(rows) == [{"a": "1", "b": "2"}, {"a": "5", "b": "6"}]
    assert bad(rows) == [(3, "has a quote that is not closed before the file's end")]
    small = Delimited(Dialect(most=20))
    rows = read_all(small, b'a,b\n3,"4\n' + b"5,6\n" * 20)
    assert len(values(rows)) == 20 and [line for line, _ in bad(rows)] == [2]
    waiting = PLAIN.rows(InMemory(b'a,b\n1,2\n3,"4\n5,6\n', complete=False), Place())
    assert values(waiting) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    ("data", "what"), [(b"a,a\n", "names a twice"), (b"\xff\n1\n", "header .* is not utf-8"), (b'"a\n1\n', "header")]
)
def test_headers_that_no_table_can_have(data: bytes, what: str) -> None:
    with pytest.raises(Unreadable, match=what):
        read_all(PLAIN, data)


def test_types_of_columns_that_are_not_there() -> None:
    with pytest.raises(Unreadable, match="not there: b"):
        read_all(Delimited(Dialect(types=field_types(["b:int64"]))), b"a\n1\n")


def test_only_a_header() -> None:
    assert read_all(PLAIN, b"a,b\n") == []
    assert list(PLAIN.rows(InMemory(b"a,b", complete=False), Place())) == []


TEXT = st.text(st.sampled_from('ab1, "\n;é'), max_size=6)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=12), st.sampled_from(["\n", "\r\n"]), st.data())
def test_what_python_writes_is_read_as_it_was(table: list[tuple[str, str]], end: str, draw: st.DataObject) -> None:
    assume(all(any(row) for row in table))
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=end).writerows([("x", "y"), *table])
    data = file.getvalue().encode()
    rows = read_all(PLAIN, data)
    assert values(rows) == [{"x": x or None, "y": y or None} for x, y in table]
    steps = draw.draw(st.lists(st.integers(1, 4), max_size=4))
    assert read_in_steps(PLAIN, data, steps, draw.draw(st.sampled_from(["none", "gzip", "zstd"]))) == rows
    assert read_growing(PLAIN, data, draw.draw(st.lists(st.integers(0, len(data)), max_size=4))) == rows


PARTS = st.lists(st.sampled_from(["1,2", "a", ",", '"', "\n", "\r\n", "\r", "\\", "é"]), max_size=30)


@given(PARTS, st.booleans(), st.data())
def test_whatever_stands_there_any_cut_gives_the_same(parts: list[str], guessed: bool, draw: st.DataObject) -> None:
    format = GUESSED if guessed else Delimited(Dialect(escape="\\"))
    data = b"a,b\n" + "".join(parts).encode()
    rows = read_all(format, data)
    steps = draw.draw(st.lists(st.integers(1, 4), max_size=4))
    assert read_in_steps(format, data, steps, "none") == rows
    assert sum(1 for _ in rows) <= data.count(b"\n") + 1
