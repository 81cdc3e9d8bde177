from __future__ import annotations

from typing import Any

from headwater.worker.cluster.config_state import Configured
from headwater.worker.cluster.state import Build, TaskPlan
from headwater.worker.cluster.status import connector_state, connector_status, problems
from headwater.worker.cluster.status_topic import Told
from headwater.worker.cluster.statuses import Status, TaskKey
from headwater.worker.cluster.told_status import connector_told, status_of_connector, status_of_task, task_key
from headwater.worker.cluster.view_state import GenerationState, ViewState

SHOP = Configured("shop", {}, tasks=({}, {}, {}))
VIEW = ViewState("shop", 1, 3, {1: GenerationState({}, "live", 0), 2: GenerationState({}, "building", 0)})
PLANS = {Build("shop", 1): TaskPlan({}, "sink")}


def task(number: int, state: str = "RUNNING", generation: int = 1, **more: Any) -> dict[str, Any]:
    told = {"reason": "", "trace": "", "stalled": None, "metrics": {"records_out": 3}, "progress": [], "restarts": 0}
    who = {"connector": "shop", "generation": generation, "task": number}
    return told | who | {"state": state, "caught_up": None, "pid": 7} | more


def told(tasks: list[dict[str, Any]], view: ViewState | None = VIEW, connector: Configured = SHOP) -> Told:
    """What the topic says when the worker that runs these has written it."""
    written = {task_key(t, view): status_of_task(t, "there:1", 4) for t in tasks}
    owner = status_of_connector(connector_state(connector, PLANS[Build("shop", 1)], "there:1"), 4)
    return Told(owner, {key: status for key, status in written.items() if status is not None})


def test_the_answer_is_the_same_as_that_of_the_worker_that_runs_it() -> None:
    tasks = [
        task(0),
        task(1, "FAILED", trace="Traceback\nFatal: broken"),
        task(2, stalled="nothing was done", progress=[{"stage": "snapshot", "done": 1}]),
        task(0, "RESTARTING", 2, reason="down"),
    ]
    there = connector_status(SHOP, VIEW, PLANS, tasks, "there:1", "sink")
    assert connector_told(SHOP, VIEW, told(tasks), "sink") == there
    assert problems([there]) == problems([connector_told(SHOP, VIEW, told(tasks), "sink")])
    assert connector_told(SHOP, VIEW, Told(told([]).connector, {}), "sink", tasks, "there:1") == there
    for state in ("PAUSED", "STOPPED"):
        connector = Configured("shop", {}, state)
        there = connector_status(connector, VIEW, PLANS, [], "there:1", "sink")
        assert connector_told(connector, VIEW, told([], connector=connector), "sink") == there


def test_keys_follow_the_live_generation() -> None:
    assert task_key(task(0), None) == TaskKey("shop", 0) and task_key(task(0, generation=2), VIEW).generation == 2
    before = told([task(0), task(0, generation=2)])
    swapped = ViewState("shop", 2, 3, {1: GenerationState({}, "kept", 0), 2: GenerationState({}, "live", 0)})
    answer = connector_told(SHOP, swapped, before, "sink")  # nobody has written anything since
    assert answer["generation"] == 2 and len(answer["tasks"]) == 1 and len(answer["generations"]["1"]) == 1


def test_a_task_about_to_start_says_nothing() -> None:
    assert status_of_task(task(0, "UNASSIGNED"), "there:1", 4) is None


def test_the_own_tasks_are_better_known() -> None:
    answer = connector_told(SHOP, None, told([task(0), task(1)], None), "sink", [task(1, "PAUSED")], "here:1")
    assert [(t["state"], t["worker_id"]) for t in answer["tasks"]] == [("RUNNING", "there:1"), ("PAUSED", "here:1")]


def test_what_ran_on_a_worker_that_is_gone_says_so() -> None:
    answer = connector_told(SHOP, None, told([task(0), task(1, stalled="hangs")], None), "sink", alive=["here:1"])
    assert [t["state"] for t in answer["tasks"]] == ["UNASSIGNED", "UNASSIGNED"]
    assert answer["tasks"][0]["trace"] == "worker there:1 is gone, where the task was RUNNING; another one takes over"
    assert answer["connector"]["state"] == "UNASSIGNED" and "there:1 is gone" in answer["connector"]["trace"]
    assert (
        connector_told(SHOP, None, told([task(0)], None), "sink", alive=["there:1"])["tasks"][0]["state"] == "RUNNING"
    )


def test_what_is_there_no_more_is_left_out() -> None:
    fewer = Configured("shop", {}, tasks=({},))
    assert [t["id"] for t in connector_told(fewer, None, told([task(0), task(1)], None), "sink")["tasks"]] == [0]
    dropped = ViewState("shop", 1, 3, {1: GenerationState({}, "live", 0)})
    assert connector_told(SHOP, dropped, told([task(0, generation=2)]), "sink")["generations"] == {}
    stopped = Configured("shop", {}, "STOPPED", tasks=({},))
    given_up = Told(None, {TaskKey("shop", 0): Status("UNASSIGNED", "there:1", 4)})
    assert connector_told(stopped, None, given_up, "sink")["tasks"] == []


def test_a_java_workers_tasks() -> None:
    java = Told(
        Status("RUNNING", "java:8083", 2, version="4.3.1"),
        {TaskKey("shop", 0): Status("FAILED", "java:8083", 2, "why", "4.3.1")},
    )
    answer = connector_told(SHOP, None, java, "source")
    assert answer["connector"] == {"state": "RUNNING", "worker_id": "java:8083", "version": "4.3.1"}
    [found] = answer["tasks"]
    assert (found["state"], found["trace"], found["version"], found["metrics"]) == ("FAILED", "why", "4.3.1", {})
    assert connector_told(SHOP, None, Told(None, {}), "source")["connector"]["state"] == "UNASSIGNED"
