"""Has everything arrived that was there at the start? Sources first, then what they left on the log."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from headwater.worker.api import HeadwaterError, TopicPartition
from headwater.worker.log.contract import Log
from headwater.worker.runtime.task_spec import consumer_group

from .state import Build, TaskPlan, Wanted, builds

__all__ = ["CaughtUp", "NotCaughtUp"]

_FATAL_FAILURES = 3
"""So many ends of a task in a row by `Fatal`: nobody who waits for the end wants to sit through ten with backoff."""


class NotCaughtUp(HeadwaterError):
    """It will not happen: a connector has failed."""


class CaughtUp:
    """Ask `reached` again and again. The goal is set once all sources have read what was there when they started."""

    def __init__(self, the_log: Log) -> None:
        self._log = the_log
        self._goal: dict[Build, dict[TopicPartition, int]] | None = None

    def reached(self, wanted: Wanted, snapshot: Sequence[Mapping[str, Any]]) -> bool:
        """Raises `NotCaughtUp` where a task or a plan has failed for good."""
        active = [build for build in builds(wanted) if wanted.connectors[build.connector].target == "STARTED"]
        _demand_sound(active, wanted, snapshot)
        plans = {build: wanted.plans.get(build) for build in active}
        if any(plan is None or plan.error for plan in plans.values()):
            return False
        known = {build: plan for build, plan in plans.items() if plan is not None}
        if self._goal is None:
            sources = [build for build, plan in known.items() if plan.kind == "source"]
            if not all(_source_done(build, known[build], snapshot) for build in sources):
                return False
            self._goal = {build: self._ends(plan) for build, plan in known.items() if plan.kind == "sink"}
        return all(self._has(build, ends) for build, ends in self._goal.items() if build in known)

    def _ends(self, plan: TaskPlan) -> dict[TopicPartition, int]:
        infos = self._log.topics(plan.topics if plan.topics_regex is None else None).values()
        pattern = None if plan.topics_regex is None else re.compile(plan.topics_regex)
        partitions = [
            TopicPartition(info.name, number)
            for info in infos
            if pattern is None or pattern.fullmatch(info.name)
            for number in range(info.partitions)
        ]
        begins = self._log.begin_offsets(partitions)
        return {tp: end for tp, end in self._log.end_offsets(partitions).items() if end > begins.get(tp, 0)}

    def _has(self, build: Build, ends: Mapping[TopicPartition, int]) -> bool:
        stored = self._log.committed(consumer_group(*build), list(ends)) if ends else {}
        return all(stored.get(tp, 0) >= end for tp, end in ends.items())


def _source_done(build: Build, plan: TaskPlan, snapshot: Sequence[Mapping[str, Any]]) -> bool:
    done = [s for s in snapshot if s.get("connector") == build.connector and s["caught_up"]]
    return len(done) >= len(plan.tasks)


def _demand_sound(active: Sequence[Build], wanted: Wanted, snapshot: Sequence[Mapping[str, Any]]) -> None:
    for build in active:
        plan = wanted.plans.get(build)
        if plan is not None and plan.error and plan.permanent:
            raise NotCaughtUp(f"connector {build.connector}: {plan.error}")
    names = {build.connector for build in active}
    for task in snapshot:
        if task.get("connector") in names and task["state"] == "FAILED":
            raise NotCaughtUp(f"connector {task['connector']} task {task['task']} has FAILED: {task['reason']}")
        fatal = task["state"] == "RESTARTING" and task["fatal_failures"] >= _FATAL_FAILURES
        if task.get("connector") in names and fatal:
            raise NotCaughtUp(
                f"connector {task['connector']} task {task['task']} has failed {task['fatal_failures']} times in a row "
                f"with what trying again does not mend: {task['reason']}"
            )
