"""What the supervisor knows of one process that it keeps running."""

from __future__ import annotations

import signal
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headwater.worker.config.policies import RestartPolicy
from headwater.worker.observe.health import Stall
from headwater.worker.observe.process_use import ProcessUse
from headwater.worker.observe.state_clock import StateClock

from .child import Child
from .errors import Backoff
from .memory_cap import CALM_S
from .task_spec import FENCED_EXIT, TaskId

__all__ = ["Supervised", "Work", "describe", "exit_reason"]

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
    def speaker(self) -> dict[str, Any]:
        """Whom log lines about it name, as their `extra`."""
        told = {"connector": self.who.get("connector") or self.who.get("job"), "task": self.who.get("task")}
        return {name: value for name, value in told.items() if value is not None}

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
    measured: dict[str, Any] = field(default_factory=dict)
    """Figures over the last minute, see `observe.metrics.TaskMetrics.as_dict`."""
    progress: dict[str, dict[str, Any]] = field(default_factory=dict)
    caught_up: bool | None = None
    result: dict[str, Any] = field(default_factory=dict)
    plugin: dict[str, Any] = field(default_factory=dict)
    """What the process has told of its connector: `kind`, `class`, `version`."""
    memory_max_bytes: int = 0
    use: ProcessUse | None = None
    excess: str = ""
    """Why it was asked to stop for its memory."""
    last_failure: str = ""
    clock: StateClock = field(default_factory=lambda: StateClock("UNASSIGNED"))
    measure_at: float = 0.0
    starting_up: bool = False

    def starting(self, child: Child) -> None:
        self.child = child
        self.started_at = time.monotonic()
        self.metrics, self.measured, self.progress, self.error, self.result = {}, {}, {}, {}, {}
        self.caught_up = None
        self.permanent = False
        self.use, self.excess = None, ""
        self.state = "RESTARTING" if self.failures else "UNASSIGNED"

    def stalled(self, stall: Stall) -> str | None:
        """Why it counts as stalled."""
        if self.state not in ("RUNNING", "UNASSIGNED", "RESTARTING") or self.child is None or self.work.once:
            return None
        since_ms = time.time_ns() // 1_000_000 - int((time.monotonic() - self.started_at) * 1000)
        return stall.reason(self.metrics, self.has_work(stall.after_s), time.time_ns() // 1_000_000, since_ms)

    def has_work(self, after_s: float) -> bool:
        """Is there something that it should do? Of a source only its lag in seconds tells, where it has one."""
        if self.state != "RUNNING":
            return False
        if int(self.metrics.get("lag", 0)) > 0 or int(self.metrics.get("queued_records", 0)) > 0:
            return True
        lags = [lag for told in self.progress.values() for lag in told.get("lag", {}).items()]
        return any(name.endswith("_seconds") and value > after_s for name, value in lags)

    def take(self, event: dict[str, Any]) -> None:
        """One event of the process."""
        kind = event.pop("event", "")
        if kind == "state":
            self.state, self.reason = event["state"], event.get("reason", "")
            self.clock.enter(self.state)
        elif kind == "metrics":
            self.measured = event.pop("measured", {})
            self.metrics = event
        elif kind == "progress":
            self.progress.pop(str(event["stage"]), None)  # the stage told last stands last
            self.progress[str(event["stage"])] = event
            if event.get("caught_up") is not None:
                self.caught_up = bool(event["caught_up"])
        elif kind == "started":
            self.policy = RestartPolicy(**event.pop("restart"))
            self.memory_max_bytes = int(event.pop("memory_max_bytes", 0))
            self.plugin = event
        elif kind == "error":
            self.error, self.permanent = event, bool(event.get("permanent"))
        elif kind == "result":
            self.result = event

    def failed(self, status: int, tail: str) -> float | None:
        """The process has ended though it should not have. Seconds until the next start; None: no more starts."""
        if self.excess:
            self.error = {"message": self.excess}
        if time.monotonic() - self.started_at >= CALM_S if self.excess else self.metrics.get("records_out", 0) > 0:
            self.failures = 0
        self.failures += 1
        self.fatal_failures = min(self.failures, self.fatal_failures + 1) if self.error.get("fatal") else 0
        self.reason = str(self.error.get("message") or exit_reason(status))
        self.trace = str(self.error.get("trace") or "\n".join(filter(None, [self.reason, tail])))
        self.last_failure = self.reason
        most = self.policy.max_attempts
        if self.permanent or (most >= 0 and self.failures > most):
            self.state = "FAILED"
            return None
        self.state = "RESTARTING"
        backoff = Backoff(self.policy.backoff_initial_ms / 1000, self.policy.backoff_max_ms / 1000)
        backoff.attempts = self.failures - 1
        return backoff.next()


def describe(item: Supervised, stall: Stall) -> dict[str, Any]:
    """Plain values: who it is, its state, what it takes and what it has told."""
    use = item.use
    return {
        **item.work.who,
        "state": item.state,
        "reason": item.reason,
        "trace": item.trace,
        "stalled": item.stalled(stall),
        "stopping": item.stopping,
        "pid": None if item.child is None else item.child.pid,
        "memory_bytes": None if use is None else use.memory_bytes,
        "memory_max_bytes": item.memory_max_bytes or None,
        "cpu_s": None if use is None else use.cpu_s,
        "restarts": item.restarts,
        "fatal_failures": item.fatal_failures,
        "last_failure": item.last_failure,
        "uptime_s": 0.0 if item.child is None else round(time.monotonic() - item.started_at, 1),
        "shares": item.clock.shares(),
        "plugin": dict(item.plugin),
        "caught_up": item.caught_up,
        "metrics": dict(item.metrics),
        "measured": dict(item.measured),
        "progress": list(item.progress.values()),
    }


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
