from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.postgres.source.frame import KeepAlive, XLogData, parse_frame, status_update
from headwater.connectors.postgres.source.lsn import format_lsn, parse_lsn
from headwater.worker.api import Fatal

EPOCH_US = 946_684_800_000_000
lsns = st.integers(0, 2**64 - 1)
times = st.integers(0, 2**61)


@given(lsns, lsns, times, st.binary())
def test_data(start: int, end: int, time_us: int, payload: bytes) -> None:
    frame = b"w" + struct.pack(">QQq", start, end, time_us - EPOCH_US) + payload
    assert parse_frame(frame) == XLogData(start, end, time_us, payload)
    assert parse_frame(memoryview(frame)) == XLogData(start, end, time_us, payload)


@given(lsns, times, st.booleans())
def test_keep_alive(end: int, time_us: int, reply: bool) -> None:
    frame = b"k" + struct.pack(">QqB", end, time_us - EPOCH_US, reply)
    assert parse_frame(frame) == KeepAlive(end, time_us, reply)


def test_status_update() -> None:
    expected = b"r" + struct.pack(">QQQqB", 3, 2, 1, 5, 1)
    assert status_update(3, 2, 1, EPOCH_US + 5, reply_requested=True) == expected


@given(st.binary(max_size=24))
def test_other_bytes_are_fatal(frame: bytes) -> None:
    if frame[:1] == b"k" and len(frame) >= 18:
        return
    with pytest.raises(Fatal):
        parse_frame(frame)


@given(lsns)
def test_lsn_text_and_back(lsn: int) -> None:
    assert parse_lsn(format_lsn(lsn)) == lsn


def test_lsn_text() -> None:
    assert format_lsn(0x16B374D848) == "16/B374D848"
    assert parse_lsn("0/0") == 0


@pytest.mark.parametrize("text", ["", "/", "1", "1/", "/1", "x/1", "1/1/1", "123456789/0", "-1/0", "1_0/0", "+1/0"])
def test_wrong_lsn(text: str) -> None:
    with pytest.raises(Fatal, match="WAL position"):
        parse_lsn(text)
