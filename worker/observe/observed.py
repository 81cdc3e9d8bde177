"""What `/metrics` shows: one look at a worker, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["Observed", "Process", "Starts", "is_task", "state_of", "task_labels"]

Process = Mapping[str, Any]
"""One entry of `runtime.supervisor.Supervisor.snapshot`."""


class Starts(NamedTuple):
    """How many there were, and how many came to something; the rest goes on, or was called off."""

    attempts: int = 0
    successes: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """`connectors`: those that this worker looks after, {"name", "type", "state", "class"}; `processes`: its tasks and
    jobs. `starts`: by what was started, connector or task. `rebalances`: see `Rebalances`; None: it is alone.
    """

    version: str = ""
    worker_id: str = ""
    connectors: Sequence[Mapping[str, str]] = ()
    processes: Sequence[Process] = ()
    starts: Mapping[str, Starts] = field(default_factory=dict)
    rebalances: Mapping[str, Any] | None = None

    @property
    def tasks(self) -> list[Process]:
        return [process for process in self.processes if is_task(process)]


def is_task(process: Process) -> bool:
    return "task" in process


def task_labels(process: Process) -> list[str]:
    """`connector`, `task`, `generation`: while a view is rebuilt, two generations of its tasks run."""
    return [str(process["connector"]), str(process["task"]), str(process["generation"])]


def state_of(process: Process) -> str:
    """In Kafka Connect's words, lower case; `stalled` besides."""
    return "stalled" if process["stalled"] else str(process["state"]).lower()
