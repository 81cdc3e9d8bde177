"""What the outside wants of a running task, and what the task tells it: the loops know nothing of processes."""

from __future__ import annotations

import threading
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
