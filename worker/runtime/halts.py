"""A sink task's view of the barriers on the views topic: looked at often, read from the log only where it has grown."""

from __future__ import annotations

import time

from headwater.worker.api import TopicPartition
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Log

from .barrier import halt_key, load_halt

__all__ = ["Halts"]

EVERY_S = 0.3


class Halts:
    """The barrier of one generation of one view."""

    def __init__(self, the_log: Log, topic: str, view: str, generation: int) -> None:
        self._records = CompactedDict(the_log, topic)
        self._key = halt_key(view, generation)
        self._read_at = float("-inf")
        self._value: bytes | None = None
        self.limits: dict[TopicPartition, int] = {}
        """Next offsets up to which to write; empty where nothing is held back."""

    def changed(self) -> bool:
        """Look again where it is time to; whether `limits` differs from before. Raises `Fatal`, `LogError`."""
        now = time.monotonic()
        if now - self._read_at < EVERY_S:
            return False
        self._read_at = now
        self._records.refresh(1.0, whole=False)
        value = self._records.get(self._key)
        if value == self._value:
            return False
        self._value = value
        self.limits = {} if value is None else load_halt(value)
        return True
