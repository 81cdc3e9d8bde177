"""What the supervisor knows of one process that it keeps running."""

from __future__ import annotations

import signal
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headwater.worker.config.policies import RestartPolicy

from .child import Child
from .errors import Backoff
from .task_spec import FENCED_EXIT, TaskId

__all__ = ["Supervised", "Work", "exit_reason"]

_DEFAULT_POLICY = RestartPolicy()
"""Until the process has read its config."""


@dataclass(frozen=True, slots=True)
class Work:
    """What to run: the `module` with an `assignment`. `who` names it in messages and snapshots, e.g. its connector.

    `paused` is told to the process while it runs; a change of anything else is a new start.
    """

    module: str
    assignment: Mapping[str, Any]
    who: Mapping[str, Any]
    paused: bool = False
    restart: RestartPolicy = _DEFAULT_POLICY
    once: bool = False
    """A job: an exit with status 0 is its end. A task that ends by itself is started again."""

    @property
    def name(self) -> str:
        if "task" in self.who:
            return str(TaskId(self.who["connector"], self.who["generation"], self.who["task"]))
        return " ".join(f"{kind} {what}" for kind, what in self.who.items())


@dataclass(slots=True)
class Supervised:
    """One process, its past and what is to become of it. Guarded by the supervisor's lock."""

    key: Hashable
    work: Work
    state: str = "UNASSIGNED"
    reason: str = ""
    trace: str = ""
    child: Child | None = None
    start_at: float = 0.0
    started_at: float = 0.0
    kill_at: float | None = None
    stopping: bool = False
    next_work: Work | None = None
    restarts: int = 0
    failures: int = 0
    fatal_failures: int = 0
    """How many of the last ones in a row were `Fatal`."""
    policy: RestartPolicy = _DEFAULT_POLICY
    permanent: bool = False
    error: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    progress: dict[str, dict[str, Any]] = field(default_factory=dict)
    caught_up: bool | None = None
    result: dict[str, Any] = field(default_factory=dict)

    def starting(self, child: Child) -> None:
        self.child = child
        self.started_at = time.monotonic()
        self.metrics, self.progress, self.error, self.result = {}, {}, {}, {}
        self.caught_up = None
        self.permanent = False
        self.state = "RESTARTING" if self.failures else "UNASSIGNED"

    def take(self, event: dict[str, Any]) -> None:
        """One event of the process."""
        kind = event.pop("event", "")
        if kind == "state":
            self.state, self.reason = event["state"], event.get("reason", "")
        elif kind == "metrics":
            self.metrics = event
        elif kind == "progress":
            self.progress.pop(str(event["stage"]), None)  # the stage told last stands last
            self.progress[str(event["stage"])] = event
            if event.get("caught_up") is not None:
                self.caught_up = bool(event["caught_up"])
        elif kind == "started":
            self.policy = RestartPolicy(**event["restart"])
        elif kind == "error":
            self.error, self.permanent = event, bool(event.get("permanent"))
        elif kind == "result":
            self.result = event

    def failed(self, status: int, tail: str) -> float | None:
        """The process has ended though it should not have. Seconds until the next start; None: no more starts."""
        if int(self.metrics.get("records_out", 0)) > 0:
            self.failures = 0
        self.failures += 1
        self.fatal_failures = min(self.failures, self.fatal_failures + 1) if self.error.get("fatal") else 0
        self.reason = str(self.error.get("message") or exit_reason(status))
        self.trace = str(self.error.get("trace") or "\n".join(filter(None, [self.reason, tail])))
        most = self.policy.max_attempts
        if self.permanent or (most >= 0 and self.failures > most):
            self.state = "FAILED"
            return None
        self.state = "RESTARTING"
        backoff = Backoff(self.policy.backoff_initial_ms / 1000, self.policy.backoff_max_ms / 1000)
        backoff.attempts = self.failures - 1
        return backoff.next()


def exit_reason(status: int) -> str:
    """In words why a process ended."""
    if status == FENCED_EXIT:
        return "another process has taken this task over"
    if status >= 0:
        return f"its process ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = str(-status)
    memory = "; the kernel does that when memory runs out" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{memory}"
