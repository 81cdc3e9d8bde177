"""What the membership is told about the worker: computed from what is known already, so that it never waits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any

from headwater.worker.runtime.supervisor import Supervisor
from headwater.worker.runtime.task_spec import TaskId

from .membership import CONNECTOR, Item
from .state import JobId, Wanted, item_of, items
from .status_topic import StatusTopic
from .statuses import Status, TaskKey

__all__ = ["GroupView", "key_of"]


def key_of(process: Mapping[str, Any]) -> Hashable:
    """The key under which the supervisor runs it, of its snapshot."""
    if "job" in process:
        return JobId(process["job"])
    return TaskId(process["connector"], process["generation"], process["task"])


class GroupView:
    """A `membership.Group`."""

    def __init__(
        self, wanted: Callable[[], Wanted], supervisor: Supervisor, statuses: StatusTopic, wake: Callable[[], None]
    ) -> None:
        self._wanted = wanted
        self._supervisor = supervisor
        self._statuses = statuses
        self._wake = wake

    def config(self) -> tuple[int, Collection[Item]]:
        wanted = self._wanted()
        return wanted.config_offset, items(wanted.connectors)

    def running(self) -> Collection[Item]:
        wanted = self._wanted()
        found = (item_of(key_of(process), wanted) for process in self._supervisor.snapshot())
        return {item for item in found if item is not None}

    def returning(self) -> Collection[Item]:
        found: set[Item] = set()
        for name, connector in self._wanted().connectors.items():
            told = self._statuses.told(name)
            if _left(told.connector):
                found.add(Item(name, CONNECTOR))
            found.update(
                Item(name, number)
                for number in range(len(connector.tasks))
                if _left(told.tasks.get(TaskKey(name, number)))
            )
        return found

    def changed(self) -> None:
        self._wake()


def _left(status: Status | None) -> bool:
    """Given up in good order; who says of a worker that is gone that it has lost something says why."""
    return status is not None and status.state == "UNASSIGNED" and not status.trace
