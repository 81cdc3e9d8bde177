"""How fast a long stage goes and when it will end, from samples of how much is done."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Meter", "Reading", "duration"]


@dataclass(frozen=True, slots=True)
class Reading:
    """`rate` in units per second over the window; `eta_s` and `fraction` None where the total is not known."""

    done: int
    total: int | None
    rate: float
    eta_s: float | None
    fraction: float | None


class Meter:
    """Rates over the last `window_s` seconds, so that a slow start or a pause does not colour the estimate for ever."""

    def __init__(self, window_s: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_s = window_s
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()
        self._total: int | None = None

    def add(self, done: int, total: int | None = None) -> None:
        """`done` so far, of `total`. A smaller `done` than before is a new stage: older samples are forgotten."""
        now = self._clock()
        if self._samples and done < self._samples[-1][1]:
            self._samples.clear()
        self._samples.append((now, done))
        self._total = total
        while len(self._samples) > 2 and now - self._samples[0][0] > self._window_s:
            self._samples.popleft()

    def read(self) -> Reading:
        if not self._samples:
            return Reading(0, None, 0.0, None, None)
        (start, first), (end, done) = self._samples[0], self._samples[-1]
        rate = (done - first) / (end - start) if end > start else 0.0
        total = self._total
        if total is None:
            return Reading(done, None, rate, None, None)
        left = max(0, total - done)
        eta = 0.0 if left == 0 else left / rate if rate > 0 else None
        fraction = 1.0 if total <= 0 else min(1.0, done / total)
        return Reading(done, total, rate, eta, fraction)


def duration(seconds: float | None) -> str:
    """`3 s`, `2 min 5 s`, `1 h 4 min`; `?` where it is not known."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
