from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.worker.log import LogError
from headwater.worker.log.headers import pack_headers, unpack_headers

headers = st.lists(st.tuples(st.text(max_size=20), st.one_of(st.none(), st.binary(max_size=2000))), max_size=5)


@given(headers)
def test_headers_come_back(given_headers: list[tuple[str, bytes | None]]) -> None:
    for _ in range(2):
        assert unpack_headers(pack_headers(given_headers)) == tuple(given_headers)


@given(headers.filter(bool), st.data())
def test_a_damaged_blob_is_an_error(given_headers: list[tuple[str, bytes | None]], data: st.DataObject) -> None:
    blob = pack_headers(given_headers)
    assert blob is not None
    cut = blob[: data.draw(st.integers(1, len(blob) - 1))]
    try:
        assert len(unpack_headers(cut)) < len(given_headers)
    except LogError as error:
        assert "damaged" in str(error)


def test_no_headers_take_no_space() -> None:
    assert pack_headers([]) is None
    assert unpack_headers(None) == ()
    with pytest.raises(LogError, match="no name"):
        unpack_headers(b"\xff\xff\xff\xff\xff\xff\xff\xff")
