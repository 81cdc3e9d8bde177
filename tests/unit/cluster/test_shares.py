"""What one member of a cluster runs, plans and writes down, of all that there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from headwater.worker.cluster.config_state import Configured
from headwater.worker.cluster.membership import CONNECTOR, Assigned, Item
from headwater.worker.cluster.reconcile import Run, Stop, reconcile
from headwater.worker.cluster.state import (
    Build,
    JobId,
    TaskPlan,
    Wanted,
    desired,
    items,
    own_builds,
    plan_of,
    plans_to_commit,
)
from headwater.worker.cluster.view_state import GenerationState, Job, ViewState
from headwater.worker.runtime.task_spec import TaskId

RAW = {"name": "view", "connector.class": "PostgresSink"}
NEW = {**RAW, "transforms": "drop"}
TWO: tuple[Mapping[str, str], ...] = ({}, {})
VIEW = Configured("view", RAW, tasks=TWO)
REBUILD = ViewState(
    "view",
    1,
    3,
    {1: GenerationState(RAW, "live", 0), 2: GenerationState(NEW, "building", 0)},
    Job("1", "rebuild", "replay", 0, 0),
)


def wanted(*own: Item, view: Configured = VIEW, **more: Any) -> Wanted:
    return Wanted(
        {"view": view}, settings={}, data_dir="/data", assigned=Assigned(5, "me", items=frozenset(own)), **more
    )


def plan(raw: dict[str, str], tasks: tuple[Mapping[str, str], ...] = TWO) -> TaskPlan:
    return TaskPlan(raw, "sink", tasks)


def test_what_there_is_to_hand_out() -> None:
    stopped = Configured("stopped", RAW, "STOPPED", tasks=TWO)
    found = items({"view": VIEW, "stopped": stopped})
    assert found == {Item("view", CONNECTOR), Item("view", 0), Item("view", 1), Item("stopped", CONNECTOR)}


def test_a_member_runs_its_tasks_by_what_the_log_says_whoever_has_planned_them() -> None:
    found = desired(wanted(Item("view", 1)), 0).works
    assert set(found) == {TaskId("view", 1, 1)}
    assert found[TaskId("view", 1, 1)].assignment["tasks"] == 2
    # its own plan, where it has one as well, changes nothing: a connector that moves must not start tasks anew
    planned = wanted(Item("view", CONNECTOR), Item("view", 1), plans={Build("view", 1): plan(RAW)})
    assert desired(planned, 0).works == found


def test_tasks_of_an_earlier_config_go_on_until_there_is_a_plan_for_the_new_one() -> None:
    running = desired(wanted(Item("view", 0)), 0).works
    changed = wanted(Item("view", 0), view=replace(VIEW, raw=NEW, planned=False))
    assert reconcile(desired(changed, 0), running) == []
    moved = wanted(Item("view", 1), view=replace(VIEW, raw=NEW, planned=False))
    assert reconcile(desired(moved, 0), running) == [Stop(TaskId("view", 1, 0))]
    planned = wanted(Item("view", 0), view=replace(VIEW, raw=NEW))
    assert [type(action) for action in reconcile(desired(planned, 0), running)] == [Run]


def test_the_connectors_owner_runs_the_job_and_what_it_builds() -> None:
    plans = {Build("view", 1): plan(RAW), Build("view", 2): plan(NEW)}
    owner = wanted(Item("view", CONNECTOR), views={"view": REBUILD}, plans=plans)
    assert set(desired(owner, 0).works) == {JobId("view"), TaskId("view", 2, 0), TaskId("view", 2, 1)}
    assert set(own_builds(owner)) == {Build("view", 1), Build("view", 2)}
    other = wanted(Item("view", 0), Item("view", 1), views={"view": REBUILD})
    assert set(desired(other, 0).works) == {TaskId("view", 1, 0), TaskId("view", 1, 1)}
    assert own_builds(other) == {}


def test_who_is_no_member_runs_nothing() -> None:
    running = desired(wanted(Item("view", 0)), 0).works
    lost = replace(wanted(), assigned=Assigned())
    assert reconcile(desired(lost, 0), running) == [Stop(TaskId("view", 1, 0))]


def test_under_another_membership_tasks_are_started_anew() -> None:
    before = wanted(Item("view", 0))
    after = replace(before, assigned=replace(before.assigned, incarnation=1))
    assert [type(a) for a in reconcile(desired(after, 0), desired(before, 0).works)] == [Run]


@pytest.mark.parametrize(
    ("view", "made_for", "given"),
    [
        (replace(VIEW, tasks=()), RAW, True),
        (replace(VIEW, planned=False), RAW, True),
        (replace(VIEW, tasks=(), inconsistent=True), RAW, True),
        (VIEW, RAW, False),
        (replace(VIEW, raw=NEW, planned=False), RAW, False),
        (replace(VIEW, tasks=(), target="STOPPED"), RAW, False),
    ],
    ids=["new", "config changed", "incomplete", "known", "made for an earlier config", "stopped"],
)
def test_plans_that_the_log_does_not_have_are_written_down(
    view: Configured, made_for: dict[str, str], given: bool
) -> None:
    own = wanted(Item("view", CONNECTOR), view=view, plans={Build("view", 1): plan(made_for)})
    assert plans_to_commit(own) == ({"view": TWO} if given else {})
    assert plans_to_commit(replace(own, assigned=Assigned(5, "me", items=frozenset()))) == {}


def test_exactly_once_is_known_from_the_configs_alone() -> None:
    raw = {"name": "view", "connector.class": "PostgresSource"}
    for own, settings, expected in (
        ({}, {}, True),
        ({"exactly.once.support": "disabled"}, {}, False),
        ({}, {"exactly.once.source.support": "disabled"}, False),
    ):
        config = {**raw, **own}
        known = replace(wanted(view=replace(VIEW, raw=config)), settings=settings)
        found = plan_of(known, Build("view", 1), config)
        assert found is not None and (found.kind, found.exactly_once, found.tasks) == ("source", expected, TWO)
