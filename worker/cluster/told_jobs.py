"""A job asks of the tasks of each generation of its view: has one failed, are all gone?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headwater.worker.runtime.supervisor import Supervisor

from .state import Build, JobId, Wanted
from .status_topic import StatusTopic

__all__ = ["ToldJobs"]

Snapshot = Sequence[Mapping[str, Any]]


class ToldJobs:
    """Tells the jobs that run here whatever has changed. Belongs to one thread."""

    def __init__(self, supervisor: Supervisor, statuses: StatusTopic | None) -> None:
        self._supervisor = supervisor
        self._statuses = statuses
        self._told: dict[str, Any] = {}

    def tell(self, wanted: Wanted, snapshot: Snapshot) -> None:
        jobs = {process["job"]: process["pid"] for process in snapshot if "job" in process}
        self._told = {view: told for view, told in self._told.items() if view in jobs}
        for view, pid in jobs.items():
            told = (pid, self._generations(wanted, view, snapshot))
            if (
                pid is not None
                and self._told.get(view) != told
                and self._supervisor.send(JobId(view), "tasks", generations=told[1])
            ):
                self._told[view] = told

    def _generations(self, wanted: Wanted, view: str, snapshot: Snapshot) -> dict[str, dict[str, Any]]:
        state = wanted.views.get(view)
        found: dict[str, dict[str, Any]] = {
            str(number): {"failure": None, "stopped": True} for number in (state.generations if state else ())
        }
        for task in snapshot:
            if task.get("connector") != view:
                continue
            entry = found.setdefault(str(task["generation"]), {"failure": None, "stopped": True})
            entry["stopped"] = False
            if task["state"] == "FAILED":
                entry["failure"] = task["reason"] or "FAILED"
        self._add_elsewhere(found, wanted, view, snapshot)
        for number, raw in state.running().items() if state else ():
            plan = wanted.plans.get(Build(view, number))
            if plan is not None and plan.permanent and plan.error and (raw is None or dict(plan.raw) == dict(raw)):
                found.setdefault(str(number), {"stopped": True})["failure"] = plan.error
        return found

    def _add_elsewhere(self, found: dict[str, dict[str, Any]], wanted: Wanted, view: str, snapshot: Snapshot) -> None:
        """Tasks of a generation that readers see, or saw until now, may run on other workers."""
        if self._statuses is None:
            return
        here = {(task["generation"], task["task"]) for task in snapshot if task.get("connector") == view}
        for key, status in self._statuses.told(view).tasks.items():
            # Which one it is the status knows best: right after a swap the live one's key still is the earlier one's.
            generation = int(status.more.get("generation") or key.generation or wanted.generation(view))
            if (generation, key.task) in here or status.state == "UNASSIGNED":
                continue
            entry = found.setdefault(str(generation), {"failure": None, "stopped": True})
            entry["stopped"] = False
            if status.state == "FAILED":
                entry["failure"] = status.trace or "FAILED"
