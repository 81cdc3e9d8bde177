"""One look at a worker, for its metrics and for its health."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from headwater.worker.observe.observed import Observed, Starts
from headwater.worker.observe.rebalances import Rebalances
from headwater.worker.runtime.supervisor import Supervisor

from .refusals import NotThere

__all__ = ["ObservedWorker", "job_problems", "observed"]


class ObservedWorker(Protocol):
    """What is asked of it; any thread may do so."""

    worker_id: str
    supervisor: Supervisor

    def connectors(self) -> list[str]: ...

    def config(self, name: str) -> Mapping[str, str]: ...

    def status(self, name: str) -> Mapping[str, Any]:
        """As `status.connector_status`."""
        ...


def observed(worker: ObservedWorker, plans: Starts, rebalances: Rebalances | None = None) -> Observed:
    """Connectors that another worker looks after are left out. `plans`: a connector starts by its tasks being planned.
    `rebalances`: of a member of a group."""
    tasks = worker.supervisor.startups
    return Observed(
        worker_id=worker.worker_id,
        connectors=list(_own_connectors(worker)),
        processes=worker.supervisor.snapshot(),
        starts={"connector": plans, "task": Starts(tasks.attempts, tasks.successes, tasks.failures)},
        rebalances=None if rebalances is None else rebalances.as_dict(),
    )


def _own_connectors(worker: ObservedWorker) -> Iterator[dict[str, str]]:
    for name in worker.connectors():
        try:
            status, config = worker.status(name), worker.config(name)
        except NotThere:  # deleted just now
            continue
        if status["connector"]["worker_id"] == worker.worker_id:
            state = str(status["connector"]["state"])
            kind, plugin = str(status["type"]), config.get("connector.class", "")
            yield {"name": name, "type": kind, "state": state, "class": plugin}


def job_problems(processes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Jobs of views that fail again and again, from the supervisor's snapshot, one line each."""
    return [
        f"the job of view {process['job']} is {process['state']}: {process['reason']}"
        for process in processes
        if "job" in process and process["state"] in ("FAILED", "RESTARTING") and process["reason"]
    ]
