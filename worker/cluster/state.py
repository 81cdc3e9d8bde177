"""What should run, computed from what the log says: pure functions."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from headwater.worker.config.client_overrides import overrides_of
from headwater.worker.config.policies import RestartPolicy
from headwater.worker.runtime.supervised import Work
from headwater.worker.runtime.task_spec import TaskId, TaskSpec

from .config_topic import Configured
from .view_state import RawConfig, ViewState

__all__ = ["Build", "Desired", "JobId", "TaskPlan", "Wanted", "builds", "desired", "to_fence", "used_ids"]

TASK_MODULE = "headwater.worker.runtime.task_process"
JOB_MODULE = "headwater.worker.rebuild.job_process"
JOB_RESTART = RestartPolicy(backoff_initial_ms=500, backoff_max_ms=30_000, max_attempts=-1)


class JobId(NamedTuple):
    """The process that works on a view: a rebuild, or dropping what is no longer kept."""

    view: str


class Build(NamedTuple):
    """One generation of one connector, the unit of planning; a source has generation 1 alone."""

    connector: str
    generation: int


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """How a plugin splits the work of one config. `error`: why it could not; then nothing else counts."""

    raw: RawConfig
    kind: str = ""
    tasks: tuple[Mapping[str, str], ...] = ()
    restart: RestartPolicy = RestartPolicy()  # noqa: RUF009 - immutable
    topics: tuple[str, ...] = ()
    topics_regex: str | None = None
    offsets_topic: str | None = None
    exactly_once: bool = False
    generations: bool = False
    error: str = ""
    permanent: bool = False

    @classmethod
    def of(cls, raw: RawConfig, answer: Mapping[str, Any]) -> TaskPlan:
        """From the answer to the plugin call `plan_tasks`."""
        return cls(
            raw=dict(raw),
            kind=answer["kind"],
            tasks=tuple(answer["tasks"]),
            restart=RestartPolicy(**answer["restart"]),
            topics=tuple(answer["topics"]),
            topics_regex=answer["topics_regex"],
            offsets_topic=answer["offsets_topic"],
            exactly_once=answer["exactly_once"],
            generations=answer["generations"],
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything that is known: connectors, views and plans. `settings` and `data_dir` are the tasks' too."""

    connectors: Mapping[str, Configured] = field(default_factory=dict)
    views: Mapping[str, ViewState] = field(default_factory=dict)
    plans: Mapping[Build, TaskPlan] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    data_dir: str = ""
    troubles: Mapping[str, str] = field(default_factory=dict)
    """Why tasks that are planned do not start yet, by connector."""


@dataclass(frozen=True, slots=True)
class Desired:
    """`works` by `TaskId` and `JobId`. `undecided`: not planned yet; what runs of these is left as it is."""

    works: Mapping[Hashable, Work]
    undecided: Collection[Build]


def builds(wanted: Wanted) -> dict[Build, RawConfig]:
    """Every generation that has to run or rest, with its config. A view's record knows better than the connector's
    config which generations there are."""
    found: dict[Build, RawConfig] = {}
    for name, connector in wanted.connectors.items():
        if connector.target == "STOPPED":
            continue
        view = wanted.views.get(name)
        for generation, raw in (view.running() if view is not None else {1: None}).items():
            found[Build(name, generation)] = connector.raw if raw is None else raw
    return found


def used_ids(plan: TaskPlan) -> int:
    """How many transactional ids the plan's tasks use."""
    return len(plan.tasks) if plan.kind == "source" and plan.exactly_once else 0


def to_fence(connector: Configured, plan: TaskPlan) -> bool:
    """Must earlier tasks of this source be fenced off before these may start? Until then none of it runs."""
    if plan.kind != "source":
        return False
    used = used_ids(plan)
    return connector.fenced != used or (used > 0 and (connector.new_tasks or connector.tasks != plan.tasks))


def desired(wanted: Wanted, now_ms: int) -> Desired:
    """What has to run now."""
    works: dict[Hashable, Work] = {}
    undecided: set[Build] = set()
    for build, raw in builds(wanted).items():
        plan = wanted.plans.get(build)
        if plan is None or dict(plan.raw) != dict(raw) or plan.error:
            undecided.add(build)
            continue
        if to_fence(wanted.connectors[build.connector], plan):
            continue
        paused = wanted.connectors[build.connector].target == "PAUSED"
        for number, task_config in enumerate(plan.tasks):
            spec = TaskSpec(
                connector=build.connector,
                task=number,
                tasks=len(plan.tasks),
                raw=dict(raw),
                task_config=dict(task_config),
                generation=build.generation,
                settings=dict(wanted.settings),
                data_dir=wanted.data_dir,
            )
            works[TaskId(*build, number)] = task_work(spec, paused, plan.restart)
    for name, view in wanted.views.items():
        if name in wanted.connectors and view.needs_process(now_ms):
            assignment: dict[str, Any] = {
                "view": name,
                "settings": dict(wanted.settings),
                "data_dir": wanted.data_dir,
            }
            if overrides := overrides_of(wanted.connectors[name].raw):
                assignment["overrides"] = overrides
            works[JobId(name)] = Work(JOB_MODULE, assignment, {"job": name}, restart=JOB_RESTART, once=True)
    return Desired(works, undecided)


def task_work(spec: TaskSpec, paused: bool, restart: RestartPolicy) -> Work:
    who = {"connector": spec.connector, "generation": spec.generation, "task": spec.task}
    return Work(TASK_MODULE, spec.as_dict(), who, paused, restart)
