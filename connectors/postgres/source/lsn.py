"""Log sequence numbers: a 64-bit place in the WAL, written `hi/lo` in hex (PostgreSQL docs, type pg_lsn)."""

from __future__ import annotations

import re

from headwater.worker.api import Fatal

_TEXT = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


def parse_lsn(text: str) -> int:
    """`16/B374D848` -> int. Raises `Fatal` for anything else."""
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise Fatal(f"{text!r} is not a WAL position; it must look like 16/B374D848")
    return (int(found.group(1), 16) << 32) | int(found.group(2), 16)


def format_lsn(lsn: int) -> str:
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
