from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.formats import Place, Row, Unreadable
from headwater.connectors.formats.line_feed import CHUNK
from headwater.connectors.formats.text_lines import TextLines

from .content import InMemory, bad, compress, read_all, read_growing, read_in_steps, values

MOST = 1000
LINES = TextLines("utf-8", MOST)
BYTES = st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b"\xff", "é".encode(), b"x" * 700, b"y" * 400]))
STEPS = st.lists(st.integers(1, 5), max_size=5)
CODECS = st.sampled_from(["none", "gzip", "zstd"])


def test_lines() -> None:
    rows = read_all(LINES, b"\xef\xbb\xbfone\n\r\n two \r\nthr\xc3\xa9\rx\nlast")
    assert values(rows) == ["one", "", " two ", "thré\rx", "last"]
    assert [row.line for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0].next == Place(7, 1)


def test_a_line_without_an_end_waits() -> None:
    assert values(LINES.rows(InMemory(b"one\ntw", complete=False), Place())) == ["one"]
    assert values(LINES.rows(InMemory(b"one\ntw", complete=True), Place())) == ["one", "tw"]


def test_bad_lines_are_named_and_passed() -> None:
    rows = read_all(LINES, b"a\n\xff\xfe\n" + b"b" * 1001 + b"\nc\n")
    assert values(rows) == ["a", "c"]
    assert bad(rows) == [
        (2, "is not utf-8: invalid start byte"),
        (3, "is longer (1002 bytes) than row.max.bytes allows (1000)"),
    ]


@pytest.mark.parametrize("length", [CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17])
def test_a_line_longer_than_memory_allows(length: int) -> None:
    rows = read_all(LINES, b"a\n" + b"b" * length + b"\nc\nd\n" + b"e" * length)
    assert values(rows) == ["a", "c", "d"]
    assert [line for line, _ in bad(rows)] == [2, 5]
    waiting = list(LINES.rows(InMemory(b"a\n" + b"b" * length, complete=False), Place()))
    assert values(waiting) == ["a"] and not bad(waiting)


def test_other_encodings() -> None:
    assert values(read_all(TextLines("latin-1", MOST), b"\xe9\n")) == ["é"]


@given(BYTES, STEPS, CODECS)
def test_any_cut_gives_the_same_rows(parts: list[bytes], steps: list[int], codec: str) -> None:
    data = b"".join(parts)
    rows = read_all(LINES, data)
    assert read_in_steps(LINES, data, steps, codec) == rows
    assert len(rows) == data.count(b"\n") + (not data.endswith(b"\n") and data != b"")


@given(BYTES, st.data())
def test_a_growing_file_gives_the_same_rows(parts: list[bytes], draw: st.DataObject) -> None:
    data = b"".join(parts)
    lengths = draw.draw(st.lists(st.integers(0, len(data)), max_size=5))
    assert read_growing(LINES, data, lengths) == read_all(LINES, data)


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_cut_off_and_damaged_data(codec: str) -> None:
    data = b"".join(b"%d\n" % (n * 7919 % 100_003) for n in range(60_000))
    whole = compress(data, codec)
    half = whole[: len(whole) // 2]
    early = list(LINES.rows(InMemory(half, codec, complete=False), Place()))
    assert early and all(isinstance(row, Row) for row in early)
    assert early == read_all(LINES, data)[: len(early)]
    with pytest.raises(Unreadable, match="cut off"):
        list(LINES.rows(InMemory(half, codec), Place()))
    damaged = whole[: len(whole) // 2] + b"\x00" * 50 + whole[len(whole) // 2 + 50 :]
    with pytest.raises(Unreadable, match=r"damaged|cut off"):
        list(LINES.rows(InMemory(damaged, codec), Place()))
    assert len(list(LINES.rows(InMemory(whole + whole, codec), Place()))) == 120_000
