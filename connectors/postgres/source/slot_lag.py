"""How far the slot is behind its server, in bytes and in seconds, from a look every now and then."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

__all__ = ["SlotLag"]


class SlotLag:
    """Seconds are those since the oldest WAL was seen that is not durable on the log yet: no two clocks are compared,
    and an idle server is not behind. As exact as the looks are frequent."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()
        self._end: int | None = None

    def look(self, wal_end: int, durable: int) -> None:
        """The server has written up to `wal_end`; all before `durable` is on the log."""
        self._pass(durable)
        if wal_end > durable and (not self._seen or wal_end > self._seen[-1][1]):
            self._seen.append((self._clock(), wal_end))
        self._end = wal_end

    def read(self, durable: int) -> dict[str, float]:
        """{"slot_bytes", "slot_seconds"}; {} before the first look."""
        if self._end is None:
            return {}
        self._pass(durable)
        seconds = round(self._clock() - self._seen[0][0], 1) if self._seen else 0.0
        return {"slot_bytes": float(max(0, self._end - durable)), "slot_seconds": seconds}

    def _pass(self, durable: int) -> None:
        while self._seen and self._seen[0][1] <= durable:
            self._seen.popleft()
