"""Order-independent checksums: what verification compares."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

BUCKETS = 256
_MASK = (1 << 128) - 1


def digest(canonical: bytes) -> int:
    """128 bits of BLAKE2b over a canonical form."""
    return int.from_bytes(hashlib.blake2b(canonical, digest_size=16).digest(), "big")


def bucket(key: bytes) -> int:
    """The key's bucket, 0 to BUCKETS - 1."""
    return hashlib.blake2b(key, digest_size=1).digest()[0]


@dataclass(slots=True)
class Fingerprint:
    """Count and sum of row digests modulo 2**128: the same rows in any order give the same fingerprint."""

    rows: int = 0
    checksum: int = 0

    def add(self, row: int) -> None:
        self.rows += 1
        self.checksum = (self.checksum + row) & _MASK

    def remove(self, row: int) -> None:
        self.rows -= 1
        self.checksum = (self.checksum - row) & _MASK

    def __str__(self) -> str:
        return f"{self.rows} rows, {self.checksum:032x}"
