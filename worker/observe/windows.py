"""Figures over the last minute, as Kafka's own metrics keep them: added to once a batch, read twice a second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

__all__ = ["Rates", "Window"]

SAMPLE_S = 30.0
RATES_S = 60.0


class _Sample(NamedTuple):
    began: float
    number: int
    total: float
    least: float
    most: float


class Window:
    """Average, least and greatest of what was measured in the last 30 to 60 s.

    Source of the two samples of 30 s: Kafka's `SampledStat`. One thread adds, any may read: what they share is one
    tuple that is replaced, never changed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: tuple[_Sample, ...] = ()

    def add(self, value: float) -> None:
        now, samples = self._clock(), self._samples
        if samples and now - samples[-1].began < SAMPLE_S:
            began, number, total, least, most = samples[-1]
            newest = _Sample(began, number + 1, total + value, min(least, value), max(most, value))
            self._samples = (*samples[:-1], newest)
        else:
            self._samples = (*samples[-1:], _Sample(now, 1, value, value, value))

    def read(self) -> dict[str, float] | None:
        """{"avg", "min", "max"}; None where nothing was measured."""
        now = self._clock()
        samples = [sample for sample in self._samples if now - sample.began < 2 * SAMPLE_S]
        if not samples:
            return None
        return {
            "avg": round(sum(s.total for s in samples) / sum(s.number for s in samples), 3),
            "min": round(min(s.least for s in samples), 3),
            "max": round(max(s.most for s in samples), 3),
        }


class Rates:
    """How fast counters have grown over the last minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, Mapping[str, float]]] = deque()

    def add(self, counters: Mapping[str, float]) -> None:
        now = self._clock()
        self._samples.append((now, counters))
        while len(self._samples) > 2 and now - self._samples[0][0] > RATES_S:
            self._samples.popleft()

    def per_second(self) -> dict[str, float]:
        if len(self._samples) < 2:
            return {}
        (start, first), (end, last) = self._samples[0], self._samples[-1]
        took = end - start
        return {name: round((last[name] - first[name]) / took, 3) for name in last} if took > 0 else {}

    def growth(self) -> dict[str, float]:
        """By how much they have grown."""
        if not self._samples:
            return {}
        first, last = self._samples[0][1], self._samples[-1][1]
        return {name: last[name] - first[name] for name in last}
