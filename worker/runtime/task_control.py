"""What the outside wants of a running task, and what the task tells it: the loops know nothing of processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from headwater.worker.api import Progress

__all__ = ["TaskControl"]


class TaskControl:
    """`tell(event, fields)` reports up; any thread may call it."""

    def __init__(self, tell: Callable[[str, dict[str, Any]], None], paused: bool = False) -> None:
        self._tell = tell
        self.stopping = threading.Event()
        self.paused = paused
        self.state = "STARTING"

    def report_state(self, state: str, reason: str = "") -> None:
        """`state` in Kafka Connect's words: RUNNING, PAUSED, RESTARTING, STOPPED."""
        self.state = state
        self._tell("state", {"state": state, "reason": reason})

    def rest(self, seconds: float, tick: Callable[[], None]) -> None:
        """Sleep, until the task has to stop at most. `tick` is called on the way: who waits is not stalled."""
        end = time.monotonic() + seconds
        while not self.stopping.is_set() and (left := end - time.monotonic()) > 0:
            tick()
            self.stopping.wait(min(left, 1.0))

    def report_progress(self, progress: Progress) -> None:
        self._tell(
            "progress",
            {
                "stage": progress.stage,
                "done": progress.done,
                "total": progress.total,
                "unit": progress.unit,
                "detail": progress.detail,
                "lag": dict(progress.lag),
                "caught_up": progress.caught_up,
            },
        )
