from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from headwater.worker.cluster.config_state import Configured
from headwater.worker.cluster.config_topic import ConfigTopic
from headwater.worker.cluster.fencing import Fencing, Round
from headwater.worker.cluster.reconcile import Stop, reconcile
from headwater.worker.cluster.state import Build, TaskPlan, Wanted, desired, to_fence
from headwater.worker.cluster.surroundings import Surroundings
from headwater.worker.log import Fenced, Message, open_log
from headwater.worker.runtime.internal_topics import InternalTopics
from headwater.worker.runtime.task_spec import TaskId
from tests.written_configs import write_configs

RAW = {"name": "counter"}
TWO: tuple[Mapping[str, str], ...] = ({"n": "0"}, {"n": "1"})


def plan(*tasks: Mapping[str, str], exactly_once: bool = True) -> TaskPlan:
    return TaskPlan(RAW, "source", tasks, exactly_once=exactly_once)


def test_tasks_wait_until_earlier_ones_are_fenced_off() -> None:
    before = Configured("counter", RAW, tasks=TWO, fenced=2)
    wanted = Wanted({"counter": before}, {}, {Build("counter", 1): plan(*TWO)})
    running = desired(wanted, 0).works
    assert set(running) == {TaskId("counter", 1, 0), TaskId("counter", 1, 1)}
    # first the config of the tasks is written, then it is read back, then earlier tasks are fenced off
    for connector in (before, replace(before, tasks=({},), new_tasks=True), replace(before, tasks=({},))):
        changed = replace(wanted, connectors={"counter": connector}, plans={Build("counter", 1): plan({})})
        found = desired(changed, 0)
        assert found.works == {} and not found.undecided
        assert [a.key for a in reconcile(found, running) if isinstance(a, Stop)] == list(running)
    connector = replace(before, tasks=({},), fenced=1)
    fenced = Wanted({"counter": connector}, {}, {Build("counter", 1): plan({})})
    assert set(desired(fenced, 0).works) == {TaskId("counter", 1, 0)}


def test_at_least_once_needs_no_fence_but_against_tasks_of_before() -> None:
    fresh = Configured("counter", RAW, tasks=TWO, new_tasks=True)
    assert to_fence(fresh, plan(*TWO)) and not to_fence(fresh, plan(*TWO, exactly_once=False))
    assert to_fence(replace(fresh, fenced=2), plan(*TWO, exactly_once=False))
    assert not to_fence(fresh, TaskPlan(RAW, "sink", TWO))


def test_a_round_fences_every_id_that_was_used_and_writes_the_new_count(tmp_path: Path) -> None:
    log = open_log({}, tmp_path)
    log.create_topic("numbers", 1, {})
    topic = ConfigTopic(log, "configs")
    zombies = [log.producer(f"headwater-counter-{n}") for n in range(3)]
    for zombie in zombies:
        zombie.init_transactions()
        zombie.begin()
        zombie.send([Message("numbers", None, b"zombie")])
    changes: list[int] = []
    around = Surroundings(log, {}, tmp_path, "here:1", InternalTopics(configs="configs"))
    fencing = Fencing(around, lambda changed: write_configs(log, "configs", changed), lambda: changes.append(1))
    connector = Configured("counter", RAW, tasks=({},), fenced=3, new_tasks=True)
    fencing.want({"counter": Round.of(connector, plan({}))})
    end = time.monotonic() + 240
    while not changes and time.monotonic() < end:
        time.sleep(0.01)
    for zombie in zombies:
        with pytest.raises(Fenced):
            zombie.commit()
        zombie.close()
    write_configs(log, "configs", [("connector-counter", {"properties": RAW})])
    topic.refresh()
    assert topic.connectors()["counter"].fenced == 1
    assert fencing.troubles() == {}
    log.close()


@pytest.mark.parametrize("how", ["lost", "told"])
def test_a_round_ends_with_the_leadership(tmp_path: Path, how: str) -> None:
    """The tasks that the next leader starts use the same ids."""
    log = open_log({}, tmp_path)
    log.create_topic("numbers", 1, {})
    live = [log.producer(f"headwater-counter-{n}") for n in range(3)]
    for producer in live:
        producer.init_transactions()
        producer.begin()
        producer.send([Message("numbers", None, b"live")])
    changes: list[int] = []
    written: list[object] = []
    around = Surroundings(log, {}, tmp_path, "here:1", InternalTopics(configs="configs"))
    asked = 0

    def leads() -> bool:
        """Before the round, before the first id, and then no more."""
        nonlocal asked
        asked += 1
        if how == "told" and asked == 3:
            fencing.stop()
        return how == "told" or asked < 3

    fencing = Fencing(around, written.append, lambda: changes.append(1), leads)
    fencing.want({"counter": Round.of(Configured("counter", RAW, fenced=3, new_tasks=True), plan({}))})
    end = time.monotonic() + 240
    while not changes and time.monotonic() < end:
        time.sleep(0.01)
    with pytest.raises(Fenced):
        live[0].commit()
    if how == "lost":
        live[1].commit()
    live[2].commit()
    assert written == [] and fencing.troubles() == {}
    for producer in live:
        producer.close()
    log.close()
