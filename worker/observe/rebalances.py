"""What a member of a group has seen of its rebalances."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = ["Rebalances"]


class Rebalances:
    """Tell it each time what the membership says; any thread may call the methods."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._generation = -1
        self._leader = ""
        self._protocol = ""
        self._completed = 0
        self._last: float | None = None

    def see(self, generation: int, leader: str, protocol: str = "") -> None:
        """`generation` -1: this worker is no member at the moment. `leader`: its URL. `protocol`: Connect's name."""
        with self._lock:
            if generation >= 0 and generation != self._generation:
                self._completed += 1
                self._last = self._clock()
            self._generation, self._leader, self._protocol = generation, leader, protocol

    def as_dict(self) -> dict[str, Any]:
        """{"epoch", "leader", "protocol", "completed", "rebalancing", "since_last_s" (None: there was none)}."""
        with self._lock:
            return {
                "epoch": self._generation,
                "leader": self._leader,
                "protocol": self._protocol,
                "completed": self._completed,
                "rebalancing": self._generation < 0,
                "since_last_s": None if self._last is None else self._clock() - self._last,
            }
