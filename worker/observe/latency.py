"""How long records were on their way, counted into fixed buckets."""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import Any, Final

__all__ = ["BOUNDS_S", "Latency"]

BOUNDS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
"""Upper bounds of the buckets, seconds; one more bucket takes what lies above."""


class Latency:
    """One observation a batch: its oldest record, which has waited longest. A clock that runs behind counts as 0."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._total_s = 0.0

    def add(self, since_ms: int, now_ms: int | None = None) -> None:
        """A record of `since_ms` (epoch milliseconds) has arrived just now."""
        seconds = max(0, (time.time_ns() // 1_000_000 if now_ms is None else now_ms) - since_ms) / 1000
        self._counts[bisect_left(BOUNDS_S, seconds)] += 1
        self._total_s += seconds

    def as_dict(self) -> dict[str, Any]:
        """{"counts": by bucket, each for itself, "total_s"}."""
        return {"counts": list(self._counts), "total_s": round(self._total_s, 3)}
