from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.worker.cluster.config_state import Configured
from headwater.worker.cluster.membership import CONNECTOR, Assigned, Item
from headwater.worker.cluster.state import Build, TaskPlan, Wanted
from headwater.worker.cluster.status_report import StatusReport
from headwater.worker.cluster.status_topic import StatusTopic
from headwater.worker.cluster.statuses import TaskKey
from headwater.worker.cluster.view_state import GenerationState, ViewState
from headwater.worker.log import open_log
from headwater.worker.runtime.internal_topics import InternalTopics

ALL = Assigned(5, "me", items=None)
PLANS = {Build("shop", 1): TaskPlan({}, "sink"), Build("shop", 2): TaskPlan({}, "sink")}


@pytest.fixture
def topic(tmp_path: Path) -> Iterator[StatusTopic]:
    log = open_log({}, tmp_path)
    made = StatusTopic(log, InternalTopics(status_replicas=-1))
    yield made
    made.close()
    log.close()


def task(number: int, state: str = "RUNNING", generation: int = 1, records: int = 3) -> dict[str, Any]:
    told = {"reason": "", "trace": "", "stalled": None, "progress": [], "restarts": 0, "caught_up": None, "pid": 7}
    who = {"connector": "shop", "generation": generation, "task": number, "state": state}
    return told | who | {"metrics": {"records_out": records, "topics": ["orders"]}}


def wanted(connector: Configured | None = None, view: ViewState | None = None) -> Wanted:
    shop = connector or Configured("shop", {}, tasks=({}, {}))
    return Wanted({"shop": shop}, {} if view is None else {"shop": view}, PLANS)


def seen(topic: StatusTopic) -> dict[Any, str]:
    """States by key, None: the connector's."""
    assert topic.flush(60)
    topic.refresh()
    told = topic.told("shop")
    assert {status.worker_id for status in told.tasks.values()} <= {"here:1"}
    connector = {} if told.connector is None else {None: told.connector.state}
    return connector | {(key.task, key.generation): status.state for key, status in told.tasks.items()}


def test_what_runs_is_told_and_what_is_given_up(topic: StatusTopic) -> None:
    report = StatusReport(topic, "here:1")
    report.tell(wanted(), ALL, [task(0), task(1, "UNASSIGNED"), {"job": "shop", "state": "RUNNING"}])
    assert seen(topic) == {None: "RUNNING", (0, None): "RUNNING"}
    assert topic.topics("shop") == ["orders"]
    report.tell(wanted(), ALL, [task(0, "UNASSIGNED"), task(1, "FAILED")])
    assert seen(topic) == {None: "RUNNING", (0, None): "RUNNING", (1, None): "FAILED"}
    report.tell(wanted(), Assigned(6, "me", items=frozenset({Item("shop", 0)})), [task(0)])
    assert seen(topic) == {None: "UNASSIGNED", (0, None): "RUNNING", (1, None): "UNASSIGNED"}
    report.tell(wanted(), ALL, [task(0)])
    report.leave()
    assert seen(topic) == {None: "UNASSIGNED", (0, None): "UNASSIGNED", (1, None): "UNASSIGNED"}


def test_what_is_there_no_more_is_forgotten(topic: StatusTopic) -> None:
    report = StatusReport(topic, "here:1")
    report.tell(wanted(), ALL, [task(0), task(1)])
    report.tell(wanted(Configured("shop", {}, tasks=({},))), ALL, [task(0)])
    assert seen(topic) == {None: "RUNNING", (0, None): "RUNNING"}
    report.tell(wanted(Configured("shop", {}, "STOPPED")), ALL, [])
    assert seen(topic) == {None: "STOPPED"}
    report.tell(Wanted(), ALL, [])
    assert seen(topic) == {None: "STOPPED"}  # who has deleted it deletes its states


def test_a_swap_moves_the_states(topic: StatusTopic) -> None:
    report = StatusReport(topic, "here:1")
    building = ViewState("shop", 1, 3, {1: GenerationState({}, "live", 0), 2: GenerationState({}, "building", 0)})
    tasks = [task(0), task(0, generation=2)]
    report.tell(wanted(view=building), ALL, tasks)
    assert seen(topic) == {None: "RUNNING", (0, None): "RUNNING", (0, 2): "RUNNING"}
    swapped = ViewState("shop", 2, 3, {1: GenerationState({}, "kept", 0), 2: GenerationState({}, "live", 0)})
    report.tell(wanted(view=swapped), ALL, tasks)
    assert seen(topic) == {None: "RUNNING", (0, None): "RUNNING", (0, 1): "RUNNING"}
    assert topic.told("shop").tasks[TaskKey("shop", 0)].more["generation"] == 2


def test_a_worker_without_a_group_says_nothing(topic: StatusTopic) -> None:
    report = StatusReport(topic, "here:1")
    report.tell(wanted(), ALL, [task(0)])
    report.tell(wanted(), Assigned(), [task(0)])
    report.tell(wanted(), Assigned(7, "me", items=frozenset({Item("shop", CONNECTOR)})), [])
    assert seen(topic) == {None: "RUNNING", (0, None): "RUNNING"}
