"""What the outside wants of a running task, and what the task tells it: the loops know nothing of processes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from headwater.worker.api import Progress

from .errors import Interrupted
from .lease import LeaseReader

__all__ = ["TaskControl"]

log = logging.getLogger(__name__)

LOOK_S = 0.2


class TaskControl:
    """`tell(event, fields)` reports up; any thread may call it. `lease`: of this worker's membership in its cluster;
    None: it has no others."""

    def __init__(
        self, tell: Callable[[str, dict[str, Any]], None], paused: bool = False, lease: LeaseReader | None = None
    ) -> None:
        self._tell = tell
        self._lease = lease
        self.stopping = threading.Event()
        self.paused = paused
        self.state = "STARTING"

    def may_write(self) -> bool:
        """False once the lease is over, for ever: another worker may have this task. Any thread may ask."""
        return self._lease is None or self._lease.held

    @property
    def given_up(self) -> bool:
        """Has the task to end as it stands, with nothing more written?"""
        return self.stopping.is_set() and not self.may_write()

    def stand_by(self, tick: Callable[[], None]) -> None:
        """Wait while this task may not write. Raises `Interrupted` where it has to stop instead."""
        if self.may_write():
            return
        log.warning(
            "this worker has not heard from its cluster for a session's length, and others may have this task: it "
            "writes nothing more, and is started anew where the worker is a member again"
        )
        while not self.may_write():
            tick()
            if self.stopping.wait(LOOK_S):
                raise Interrupted

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
