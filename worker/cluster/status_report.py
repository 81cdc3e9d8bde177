"""What this worker runs, told to the others round by round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .membership import CONNECTOR, Assigned, Item
from .state import Build, Wanted
from .status import connector_state
from .status_topic import StatusTopic
from .statuses import Status, TaskKey
from .told_status import status_of_connector, status_of_task, task_key

__all__ = ["StatusReport"]

Snapshot = Mapping[str, Any]


class StatusReport:
    """Belongs to one thread, the one that reads the status topic."""

    def __init__(self, statuses: StatusTopic, worker_id: str) -> None:
        self._statuses = statuses
        self._worker_id = worker_id
        self._generation = 0
        self._connectors: set[str] = set()
        self._tasks: set[TaskKey] = set()

    def tell(self, wanted: Wanted, assigned: Assigned, snapshot: Sequence[Snapshot]) -> None:
        """`snapshot`: the supervisor's. Call it as often as you like."""
        if assigned.generation < 0:
            self._connectors, self._tasks = set(), set()  # the leader speaks for a worker that was lost
            return
        self._generation = assigned.generation
        self._tell_connectors(wanted, assigned)
        self._tell_tasks(wanted, [process for process in snapshot if "task" in process])

    def leave(self) -> None:
        """This worker ends, in good order: nothing runs here any more. Flush the topic then."""
        for name in self._connectors:
            self._statuses.put_connector(name, self._given_up())
        for key in self._tasks:
            self._statuses.put_task(key, self._given_up())
        self._connectors, self._tasks = set(), set()

    def _tell_connectors(self, wanted: Wanted, assigned: Assigned) -> None:
        told: set[str] = set()
        for name, connector in wanted.connectors.items():
            if not assigned.has(Item(name, CONNECTOR)):
                continue
            plan = wanted.plans.get(Build(name, wanted.generation(name)))
            state = connector_state(connector, plan, self._worker_id, wanted.troubles.get(name, ""))
            if state["state"] != "UNASSIGNED" or "trace" in state:  # else it is about to be planned
                told.add(name)
                self._statuses.put_connector(name, status_of_connector(state, self._generation))
        for name in self._connectors - told:
            if name in wanted.connectors and not assigned.has(Item(name, CONNECTOR)):
                self._statuses.put_connector(name, self._given_up())
        self._connectors = told

    def _tell_tasks(self, wanted: Wanted, tasks: Sequence[Snapshot]) -> None:
        here: set[TaskKey] = set()
        for task in tasks:
            key = task_key(task, wanted.views.get(task["connector"]))
            status = status_of_task(task, self._worker_id, self._generation)
            if status is None:
                here |= {key} & self._tasks  # it starts anew
                continue
            here.add(key)
            self._statuses.put_task(key, status)
            metrics = task["metrics"]
            records = int(metrics.get("records_in", 0)) + int(metrics.get("records_out", 0))
            self._statuses.put_topics(key.connector, key.task, metrics.get("topics", ()), records)
        for key in self._tasks - here:
            if _exists(wanted, key):
                self._statuses.put_task(key, self._given_up())
            elif key.connector in wanted.connectors:
                self._statuses.forget_task(key)
        self._tasks = here

    def _given_up(self) -> Status:
        return Status("UNASSIGNED", self._worker_id, self._generation)


def _exists(wanted: Wanted, key: TaskKey) -> bool:
    """Is there to be such a task, here or elsewhere? Who deletes a connector deletes all of its states."""
    connector, view = wanted.connectors.get(key.connector), wanted.views.get(key.connector)
    if connector is None or connector.target == "STOPPED":
        return False
    if key.generation is not None:
        return view is not None and key.generation != view.current and key.generation in view.running()
    return key.task < len(connector.tasks)
