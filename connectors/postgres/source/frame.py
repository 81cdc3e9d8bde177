"""What lies in one CopyData message of a walsender in COPY_BOTH, and the status updates that answer it.

Source: PostgreSQL docs, "Streaming Replication Protocol". Times are microseconds since the Unix epoch here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from headwater.worker.api import Fatal

POSTGRES_EPOCH_US = 946_684_800_000_000
"""2000-01-01 00:00 UTC, from which the server counts, in Unix microseconds."""

_XLOG_DATA = struct.Struct(">QQq").unpack_from
_KEEP_ALIVE = struct.Struct(">Qq?").unpack_from
_STATUS = struct.Struct(">cQQQq?").pack


@dataclass(slots=True)
class XLogData:
    """`payload` is one logical decoding message, for `pgoutput.parse`."""

    start_lsn: int
    end_lsn: int
    server_time_us: int
    payload: bytes


@dataclass(slots=True)
class KeepAlive:
    """`end_lsn`: the server has sent everything up to it. `reply_requested`: answer at once or be cut off."""

    end_lsn: int
    server_time_us: int
    reply_requested: bool


def parse_frame(data: bytes | memoryview) -> XLogData | KeepAlive:
    """Raises `Fatal` for a frame that is neither of the two or too short."""
    frame = bytes(data)
    try:
        if frame[0] == 0x77:  # 'w'
            start, end, time_us = _XLOG_DATA(frame, 1)
            return XLogData(start, end, time_us + POSTGRES_EPOCH_US, frame[25:])
        if frame[0] == 0x6B:  # 'k'
            end, time_us, reply = _KEEP_ALIVE(frame, 1)
            return KeepAlive(end, time_us + POSTGRES_EPOCH_US, reply)
    except (struct.error, IndexError):
        raise Fatal(f"the server sent a replication frame cut short at {len(frame)} bytes: {frame[:32]!r}") from None
    raise Fatal(f"the server sent a replication frame of unknown kind {frame[:1]!r}; is this a PostgreSQL walsender?")


def status_update(written: int, flushed: int, applied: int, time_us: int, reply_requested: bool = False) -> bytes:
    """A standby status update. The server drops WAL below `flushed`: it must never pass the durable position."""
    return _STATUS(b"r", written, flushed, applied, time_us - POSTGRES_EPOCH_US, reply_requested)
