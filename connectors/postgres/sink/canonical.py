"""The form of a row that verification compares: the same for equal rows, whatever way they came.

Columns are named, so their order does not matter. NULL is left out: a column that a record lacks is one that is NULL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

from headwater.worker.api import digest

from .kinds import Kind

SHORT: Final = 64
"""Bytes up to which a value stands in the row's form as it is; longer ones are hashed."""


_HEADS: Final = tuple(bytes((length + 1, 0)) for length in range(SHORT + 1))
_HASHED: Final = bytes((17, 1))


def compact(canonical: bytes) -> bytes:
    """At most `SHORT` + 2 bytes that stand for a value's canonical form: their number, a mark, the form or its hash."""
    size = len(canonical)
    if size <= SHORT:
        return _HEADS[size] + canonical
    return _HASHED + hashlib.blake2b(canonical, digest_size=16).digest()


def name_prefix(name: str) -> bytes:
    data = name.encode()
    return len(data).to_bytes(2, "big") + data


def row_digest(pieces: Iterable[bytes]) -> int:
    """`pieces`: `name_prefix` and `compact` form of each column that is not NULL, in the order of the names."""
    return digest(b"".join(pieces))


def key_text(values: Iterable[tuple[str, Kind, Any]]) -> bytes:
    """The canonical key, readable: `id=5`, `region="eu",id=5`. `values` in the order of the names."""
    return ",".join(f"{name}={kind.show(value)}" for name, kind, value in values).encode()
