"""How a latest state is divided into files: by the first bits of a hash of the key, as many as it takes.

A small table is one file, of bucket "". A file that has grown too large is divided by the next bits: "0" and "1", then
"10" and "11", and so on. No bucket is the beginning of another. A bucket without rows has no file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Final

DEEPEST: Final = 64


def bits_of(key: bytes) -> str:
    """`DEEPEST` digits 0 and 1 for a canonical key."""
    return format(int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big"), f"0{DEEPEST}b")


def bucket_for(bits: str, there: Collection[str]) -> str:
    """The bucket of `there` that a key belongs to; where there is none, the largest one that crosses none of them."""
    if not there:
        return ""
    for depth in range(DEEPEST + 1):
        if bits[:depth] in there:
            return bits[:depth]
    return next(bits[:d] for d in range(DEEPEST + 1) if not any(name.startswith(bits[:d]) for name in there))


def deeper(rows: int, most: int) -> int:
    """By how many bits to divide so many rows into files of `most`, about."""
    depth = 0
    while rows > most << depth and depth < 32:
        depth += 1
    return depth
