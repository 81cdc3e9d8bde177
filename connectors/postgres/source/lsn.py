"""Log sequence numbers: a 64-bit place in the WAL, written `hi/lo` in hex (PostgreSQL docs, type pg_lsn)."""

from __future__ import annotations

from headwater.worker.api import Fatal


def parse_lsn(text: str) -> int:
    """`16/B374D848` -> int. Raises `Fatal` for anything else."""
    high, slash, low = text.strip().partition("/")
    try:
        if not slash or not 1 <= len(high) <= 8 or not 1 <= len(low) <= 8:
            raise ValueError
        return (int(high, 16) << 32) | int(low, 16)
    except ValueError:
        raise Fatal(f"{text!r} is not a WAL position; it must look like 16/B374D848") from None


def format_lsn(lsn: int) -> str:
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
