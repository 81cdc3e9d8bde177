from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headwater.worker.cluster.config_state import Configured
from headwater.worker.cluster.reconcile import Pause, Run, Stop, reconcile
from headwater.worker.cluster.state import Build, Desired, JobId, TaskPlan, Wanted, builds, desired
from headwater.worker.cluster.view_state import GenerationState, Job, ViewState
from headwater.worker.runtime.task_spec import TaskId

RAW = {"name": "view", "connector.class": "X"}
NEW = {**RAW, "transforms": "drop"}


def plan(raw: dict[str, str], tasks: int = 1, **more: Any) -> TaskPlan:
    return TaskPlan(raw, "sink", tuple({"n": str(n)} for n in range(tasks)), **more)


def wanted(target: str = "STARTED", view: ViewState | None = None, **plans: TaskPlan) -> Wanted:
    """`plans` by `g1`, `g2`."""
    connector = Configured("view", RAW, target)  # type: ignore[arg-type]
    views = {} if view is None else {"view": view}
    return Wanted({"view": connector}, views, {Build("view", int(k[1:])): p for k, p in plans.items()}, {}, "/data")


def generation(raw: dict[str, str], phase: Any) -> GenerationState:
    return GenerationState(raw, phase, 0)


JOB = Job("1", "rebuild", "replay", 0, 0)


def test_tasks_run_once_they_are_planned() -> None:
    assert desired(wanted(), 0) == Desired({}, {Build("view", 1)})
    found = desired(wanted(g1=plan(RAW, 2)), 0)
    assert list(found.works) == [TaskId("view", 1, 0), TaskId("view", 1, 1)]
    work = found.works[TaskId("view", 1, 1)]
    assert work.assignment["raw"] == RAW
    assert (work.assignment["task"], work.assignment["tasks"], work.assignment["task_config"]) == (1, 2, {"n": "1"})


def test_a_plan_for_another_config_does_not_count() -> None:
    running = desired(wanted(g1=plan(RAW)), 0).works
    changed = wanted(g1=plan(NEW))
    assert reconcile(desired(changed, 0), running) == []  # goes on until there is an answer
    failed = wanted(g1=plan(RAW, error="no such option"))
    assert reconcile(desired(failed, 0), running) == []


def test_a_changed_config_is_a_new_start() -> None:
    running = desired(wanted(g1=plan(RAW)), 0).works
    after = Wanted({"view": Configured("view", NEW)}, {}, {Build("view", 1): plan(NEW)}, {}, "/data")
    [action] = reconcile(desired(after, 0), running)
    assert isinstance(action, Run) and action.work.assignment["raw"] == NEW


def test_pause_resume_stop() -> None:
    running = desired(wanted(g1=plan(RAW)), 0).works
    [action] = reconcile(desired(wanted("PAUSED", g1=plan(RAW)), 0), running)
    assert isinstance(action, Pause) and action.work.paused
    [action] = reconcile(desired(wanted(g1=plan(RAW)), 0), {action.key: action.work})
    assert isinstance(action, Pause) and not action.work.paused
    assert reconcile(desired(wanted("STOPPED", g1=plan(RAW)), 0), running) == [Stop(TaskId("view", 1, 0))]
    assert reconcile(desired(Wanted(), 0), running) == [Stop(TaskId("view", 1, 0))]


def test_generations_run_side_by_side_each_with_its_config() -> None:
    view = ViewState("view", 1, 3, {1: generation(RAW, "live"), 2: generation(NEW, "building")}, JOB)
    both = wanted(view=view, g1=plan(RAW), g2=plan(NEW))
    assert builds(both) == {Build("view", 1): RAW, Build("view", 2): NEW}
    works = desired(both, 0).works
    assert set(works) == {TaskId("view", 1, 0), TaskId("view", 2, 0), JobId("view")}
    assert works[TaskId("view", 2, 0)].assignment["raw"] == NEW
    assert works[JobId("view")].assignment == {
        "view": "view",
        "settings": {},
        "data_dir": "/data",
        "incarnation": 0,
    }


def test_what_is_dropped_stops_and_gets_a_process_to_drop_it() -> None:
    view = ViewState("view", 2, 3, {1: generation(RAW, "dropping"), 2: generation(NEW, "live")})
    works = desired(wanted(view=view, g2=plan(NEW)), 0).works
    assert set(works) == {TaskId("view", 2, 0), JobId("view")}


def test_a_kept_generation_follows_until_its_time_is_over() -> None:
    kept = replace(generation(RAW, "kept"), keep_until_ms=100)
    view = ViewState("view", 2, 3, {1: kept, 2: generation(NEW, "live")})
    state = wanted(view=view, g1=plan(RAW), g2=plan(NEW))
    assert JobId("view") not in desired(state, 99).works
    assert JobId("view") in desired(state, 100).works


def test_the_live_generations_own_config_wins_over_the_connectors() -> None:
    view = ViewState("view", 2, 3, {2: generation(NEW, "live")})
    assert builds(wanted(view=view)) == {Build("view", 2): NEW}


_states = st.builds(
    lambda names, target, tasks: Wanted(
        {n: Configured(n, {"name": n}, target) for n in names},
        {},
        {Build(n, 1): plan({"name": n}, tasks) for n in names},
        {},
        "/data",
    ),
    st.sets(st.sampled_from("abcd")),
    st.sampled_from(["STARTED", "PAUSED", "STOPPED"]),
    st.integers(0, 3),
)


@given(_states, _states)
def test_actions_lead_from_any_state_to_any_other(before: Wanted, after: Wanted) -> None:
    running, goal = dict(desired(before, 0).works), desired(after, 0)
    for action in reconcile(goal, running):
        if isinstance(action, Stop):
            del running[action.key]
        else:
            running[action.key] = action.work
    assert running == goal.works
    assert reconcile(goal, running) == []
