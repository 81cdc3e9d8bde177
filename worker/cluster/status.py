"""How things stand, in the shapes of Kafka Connect's REST API, from the supervisor's snapshot: pure functions.

Beyond Kafka Connect's states a task may be STALLED: no progress although there is work, which is not RUNNING.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .config_state import Configured
from .state import Build, TaskPlan
from .view_state import ViewState, current_generation

__all__ = [
    "connector_state",
    "connector_status",
    "last_line",
    "problems",
    "task_answer",
    "task_progress",
    "task_trace",
    "task_use",
]

Snapshot = Mapping[str, Any]


def connector_status(
    connector: Configured,
    view: ViewState | None,
    plans: Mapping[Build, TaskPlan],
    tasks: Sequence[Snapshot],
    worker_id: str,
    kind: str,
    trouble: str = "",
) -> dict[str, Any]:
    """{"name","connector":{"state","worker_id"[,"trace"]},"tasks":[…],"type"}; `tasks` are those of the generation
    that readers see, `generations` holds the others' by number. `trouble`: why planned tasks do not start yet."""
    current = current_generation(view)
    plan = plans.get(Build(connector.name, current))
    own = [task for task in tasks if task.get("connector") == connector.name]
    others = sorted({task["generation"] for task in own} - {current})
    return {
        "name": connector.name,
        "connector": connector_state(connector, plan, worker_id, trouble),
        "tasks": _tasks(own, current, worker_id),
        "type": kind,
        "generation": current,
        "generations": {str(number): _tasks(own, number, worker_id) for number in others},
    }


def connector_state(
    connector: Configured, plan: TaskPlan | None, worker_id: str, trouble: str = ""
) -> dict[str, Any]:  # fmt: skip
    """{"state","worker_id"[,"trace"]}, as whoever plans the connector knows it."""
    state = {"state": _state(connector, plan), "worker_id": worker_id}
    if plan is not None and plan.error and connector.target != "STOPPED":
        state["trace"] = plan.error
    elif trouble and connector.target != "STOPPED":
        state |= {"state": "UNASSIGNED", "trace": trouble}
    return state


def _state(connector: Configured, plan: TaskPlan | None) -> str:
    if connector.target != "STARTED":
        return connector.target
    if plan is None:
        return "UNASSIGNED"
    return "FAILED" if plan.error else "RUNNING"


def _tasks(own: Sequence[Snapshot], generation: int, worker_id: str) -> list[dict[str, Any]]:
    chosen = sorted((t for t in own if t["generation"] == generation), key=lambda t: int(t["task"]))
    return [task_answer(task, worker_id) for task in chosen]


def task_answer(task: Snapshot, worker_id: str) -> dict[str, Any]:
    """Of one task of the supervisor's snapshot."""
    told: dict[str, Any] = {
        "id": task["task"],
        "state": "STALLED" if task["stalled"] else task["state"],
        "worker_id": worker_id,
        "progress": task_progress(task),
        "metrics": dict(task["metrics"]),
        "restarts": task["restarts"],
        "pid": task["pid"],
        **task_use(task),
        "caught_up": task["caught_up"],
    }
    if trace := task_trace(task):
        told["trace"] = trace
    return told


def task_use(task: Snapshot) -> dict[str, Any]:
    """What its process takes of the machine, and why it failed when it last did."""
    return {name: task.get(name) for name in ("memory_bytes", "cpu_s", "last_failure")}


def task_trace(task: Snapshot) -> str:
    """Why it does not run, if it does not."""
    if task["stalled"]:
        return str(task["stalled"])
    if task["state"] == "FAILED":
        return str(task["trace"] or task["reason"])
    return str(task["reason"]) if task["state"] == "RESTARTING" else ""


def task_progress(task: Snapshot) -> dict[str, Any]:
    """The last that the task has told, else what it has counted."""
    metrics = task["metrics"]
    if task["progress"]:
        return dict(task["progress"][-1])
    done = metrics.get("records_out", 0)
    lag = {"offsets": metrics.get("lag", 0)}
    return {"stage": "following", "done": done, "total": None, "unit": "records", "lag": lag}


def problems(statuses: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong, one line each, over the answers of `connector_status`."""
    found: list[str] = []
    for status in statuses:
        name = status["name"]
        state = status["connector"]["state"]
        if state == "FAILED" or (state == "UNASSIGNED" and "trace" in status["connector"]):
            found.append(f"{name}: {status['connector'].get('trace', state)}")
        for task in (*status["tasks"], *(t for tasks in status["generations"].values() for t in tasks)):
            if task["state"] in ("FAILED", "STALLED", "RESTARTING"):
                found.append(f"{name} task {task['id']} is {task['state']}: {last_line(task.get('trace', ''))}")
    return found


def last_line(trace: str) -> str:
    """The error itself stands in the last line, as Python writes traces."""
    lines = trace.strip().splitlines()
    return lines[-1] if lines else ""
