from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.postgres.source.copy_text import parse_line, parse_lines

ESCAPES = {b"\\": b"\\\\", b"\b": b"\\b", b"\f": b"\\f", b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t", b"\v": b"\\v"}

tricky = st.lists(st.sampled_from([*ESCAPES, b"N", b"\\N", b"\\.", b"a", "é".encode(), b"0"])).map(b"".join)
rows = st.lists(st.none() | tricky | st.binary(), min_size=1, max_size=6)


def written(row: list[bytes | None]) -> bytes:
    """As CopyOneRowTo writes it."""
    fields = []
    for value in row:
        if value is None:
            fields.append(b"\\N")
        else:
            fields.append(b"".join(ESCAPES.get(bytes([byte]), bytes([byte])) for byte in value))
    return b"\t".join(fields) + b"\n"


@given(rows)
def test_a_row_comes_back(row: list[bytes | None]) -> None:
    assert parse_line(written(row)) == row
    assert parse_line(written(row)[:-1]) == row


@given(st.lists(rows))
def test_a_block_of_rows_comes_back(block: list[list[bytes | None]]) -> None:
    assert parse_lines(b"".join(map(written, block))) == block
