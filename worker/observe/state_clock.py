"""Which share of its time something has spent in each state."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["StateClock"]


class StateClock:
    def __init__(self, state: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._state = state
        self._since = clock()
        self._spent: dict[str, float] = {}

    def enter(self, state: str) -> None:
        if state != self._state:
            now = self._clock()
            self._spent[self._state] = self._spent.get(self._state, 0.0) + now - self._since
            self._state, self._since = state, now

    def shares(self) -> dict[str, float]:
        """By state, 0 to 1; together 1."""
        spent = dict(self._spent)
        spent[self._state] = spent.get(self._state, 0.0) + self._clock() - self._since
        whole = sum(spent.values())
        return {state: round(s / whole, 4) for state, s in spent.items()} if whole > 0 else {self._state: 1.0}
