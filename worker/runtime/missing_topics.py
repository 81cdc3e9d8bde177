"""Topics that a sink is to read and that are not there: it waits for them, and somebody should know."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from headwater.worker.log.contract import Log

__all__ = ["MissingTopics"]

log = logging.getLogger(__name__)

_EVERY_S = 10.0


class MissingTopics:
    """`look` is cheap until it is time to ask the log again; it asks no more once all have been there."""

    def __init__(self, the_log: Log, names: Sequence[str]) -> None:
        self._log = the_log
        self._missing = set(names)
        self._told: set[str] = set()
        self._look_at = 0.0

    def look(self) -> None:
        """Raises `LogError`, `Retriable`."""
        now = time.monotonic()
        if not self._missing or now < self._look_at:
            return
        self._look_at = now + _EVERY_S
        self._missing -= self._log.topics(self._missing).keys()
        if self._missing != self._told and self._missing:
            log.warning(
                "there is no topic %s; it is read as soon as it appears. Make it, or look for a wrong name in `topics`",
                ", ".join(sorted(self._missing)),
            )
        elif self._told and not self._missing:
            log.info("all topics are there now")
        self._told = set(self._missing)
