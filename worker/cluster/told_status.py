"""How things stand anywhere in the cluster, from what the status topic says: pure functions, in the answers' shapes of
`status`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .config_state import Configured
from .status import Snapshot, task_answer, task_progress, task_trace, task_use
from .status_topic import Told
from .statuses import STATES, Status, TaskKey
from .view_state import ViewState, current_generation

__all__ = ["connector_told", "status_of_connector", "status_of_task", "task_key"]


def status_of_connector(state: Mapping[str, Any], generation: int, version: str = "") -> Status:
    """What the owner of the connector writes; `state`: `status.connector_state`'s, `generation`: the group's."""
    return Status(state["state"], state["worker_id"], generation, str(state.get("trace", "")), version)


def status_of_task(task: Snapshot, worker_id: str, generation: int, version: str = "") -> Status | None:
    """What the worker that runs the task writes, from the supervisor's snapshot; `generation`: the group's.

    None while the task is about to start: nothing is known of it yet, and UNASSIGNED would say that it was given up.
    """
    state = "RUNNING" if task["stalled"] else str(task["state"])
    if state == "UNASSIGNED" or state not in STATES:
        return None
    more = {
        "generation": task["generation"],
        "stalled": task["stalled"] or None,
        "restarts": task["restarts"],
        "pid": task["pid"],
        **task_use(task),
        "caught_up": task["caught_up"],
        "progress": task_progress(task),
        "metrics": task["metrics"],
    }
    return Status(state, worker_id, generation, task_trace(task), version, more)


def task_key(task: Snapshot, view: ViewState | None) -> TaskKey:
    """Under which key the task's status is written."""
    live = task["generation"] == current_generation(view)
    return TaskKey(task["connector"], task["task"], None if live else task["generation"])


def connector_told(
    connector: Configured,
    view: ViewState | None,
    told: Told,
    kind: str,
    own: Sequence[Snapshot] = (),
    worker_id: str = "",
    alive: Collection[str] | None = None,
) -> dict[str, Any]:
    """What `status.connector_status` answers, by a worker about any connector.

    `own`: what the supervisor of this worker (`worker_id`) runs of it, which it knows better than the topic.
    `alive`: the ids of the group's members where they are known; what ran on others has lost its worker and says so.
    """
    current = current_generation(view)
    by_generation: dict[int, dict[int, dict[str, Any]]] = {current: {}}
    for key, status in sorted(told.tasks.items(), key=lambda pair: pair[0].generation is None):
        generation = int(status.more.get("generation") or key.generation or current)
        if _exists(connector, view, key.task, generation, status):
            by_generation.setdefault(generation, {})[key.task] = _task(key.task, status, alive)
    for task in own:
        by_generation.setdefault(task["generation"], {})[task["task"]] = task_answer(task, worker_id)
    tasks = {number: [found[n] for n in sorted(found)] for number, found in sorted(by_generation.items())}
    return {
        "name": connector.name,
        "connector": _connector(connector, told.connector, alive),
        "tasks": tasks.pop(current),
        "type": kind,
        "generation": current,
        "generations": {str(number): found for number, found in tasks.items()},
    }


def _exists(connector: Configured, view: ViewState | None, task: int, generation: int, status: Status) -> bool:
    """The topic may still hold what is there no more."""
    if connector.target == "STOPPED" and status.state == "UNASSIGNED":
        return False
    if view is not None and generation not in view.running():
        return False
    return generation != current_generation(view) or task < len(connector.tasks)


def _connector(connector: Configured, status: Status | None, alive: Collection[str] | None) -> dict[str, Any]:
    if status is None:
        return {"state": "UNASSIGNED", "worker_id": ""}
    told = _with_worker(status, alive, "the connector")
    if status.version:
        told["version"] = status.version
    return told


def _task(number: int, status: Status, alive: Collection[str] | None) -> dict[str, Any]:
    more = status.more
    told = {"id": number, **_with_worker(status, alive, "the task")}
    if more.get("stalled") and told["state"] == "RUNNING":
        told |= {"state": "STALLED", "trace": more["stalled"]}
    nothing = {"stage": "following", "done": 0, "total": None, "unit": "records", "lag": {"offsets": 0}}
    told["progress"] = dict(more.get("progress") or nothing)
    told["metrics"] = dict(more.get("metrics") or {})
    told["restarts"] = more.get("restarts", 0)
    told["pid"] = more.get("pid")
    told |= task_use(more)
    told["caught_up"] = more.get("caught_up")
    if status.version:
        told["version"] = status.version
    return told


def _with_worker(status: Status, alive: Collection[str] | None, what: str) -> dict[str, Any]:
    told = {"state": status.state, "worker_id": status.worker_id}
    if alive is not None and status.worker_id not in alive and status.state not in ("UNASSIGNED", "STOPPED"):
        lost = f"worker {status.worker_id} is gone, where {what} was {status.state}; another one takes over"
        return told | {"state": "UNASSIGNED", "trace": lost}
    return told | ({"trace": status.trace} if status.trace else {})
