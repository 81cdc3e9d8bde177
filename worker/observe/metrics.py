"""What a task counts. Plain numbers, added to once a batch and reported up as a dict."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["TaskMetrics"]


@dataclass(slots=True)
class TaskMetrics:
    """Counters since the task's process started.

    Sources: `records_in` were read, `records_out` are committed on the log. Sinks: `records_in` were read from the
    log, `records_out` are durable in the view, `lag` is how many offsets are left to read. `last_activity_ms`: when a
    record was last read or written; `last_tick_ms`: when the task's loop last came round (a plugin call that hangs
    stops it). Both epoch milliseconds.
    """

    records_in: int = 0
    records_out: int = 0
    records_filtered: int = 0
    records_skipped: int = 0
    records_dead_lettered: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    batches: int = 0
    commits: int = 0
    retries: int = 0
    errors: int = 0
    queued_records: int = 0
    lag: int = 0
    last_activity_ms: int = 0
    last_tick_ms: int = 0
    last_error: str = ""
    topics: tuple[str, ...] = ()
    """Topics that the task has written to, or reads."""
    offsets: dict[str, int] = field(default_factory=dict)
    """Sinks: next durable offset by `topic-partition`."""

    def tick(self) -> None:
        self.last_tick_ms = _now_ms()

    def active(self) -> None:
        self.last_activity_ms = self.last_tick_ms = _now_ms()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
