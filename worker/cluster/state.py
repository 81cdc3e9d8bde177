"""What should run, computed from what the log says: pure functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from headwater.worker.api import ConfigError
from headwater.worker.config.client_overrides import overrides_of
from headwater.worker.config.plugins import installed
from headwater.worker.config.policies import RestartPolicy
from headwater.worker.runtime.supervised import Work
from headwater.worker.runtime.task_spec import TaskId, TaskSpec

from .alone import ALL
from .config_state import Configured
from .membership import CONNECTOR, Assigned, Item
from .view_state import RawConfig, ViewState, current_generation

__all__ = [
    "Build", "Desired", "JobId", "TaskPlan", "Wanted", "builds", "desired", "item_of", "items", "own_builds", "plan_of",
    "plans_to_commit",
    "to_fence", "used_ids",
]  # fmt: skip

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
    assigned: Assigned = ALL
    """What of it is this worker's."""
    config_offset: int = -1
    """How far the config topic has been read for this, as Kafka Connect counts: see `ConfigTopic.offset`."""
    lease: str | None = None
    """Path of the lease that tasks look at."""

    @property
    def alone(self) -> bool:
        return self.assigned.items is None

    def generation(self, connector: str) -> int:
        """The one that readers see."""
        return current_generation(self.views.get(connector))


@dataclass(frozen=True, slots=True)
class Desired:
    """`works` by `TaskId` and `JobId`. `undecided`: not planned yet; what runs of these is left as it is, where it is
    `ours`."""

    works: Mapping[Hashable, Work]
    undecided: Collection[Build]
    ours: Callable[[Hashable], bool] = lambda key: True


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


def plans_to_commit(wanted: Wanted) -> dict[str, tuple[Mapping[str, str], ...]]:
    """What this worker has planned and the config topic does not say yet, by connector."""
    found: dict[str, tuple[Mapping[str, str], ...]] = {}
    for (name, generation), plan in wanted.plans.items():
        connector = wanted.connectors.get(name)
        if connector is None or connector.target == "STOPPED" or plan.error or generation != wanted.generation(name):
            continue
        if not wanted.assigned.has(Item(name, CONNECTOR)):
            continue
        if not wanted.alone and dict(plan.raw) != dict(connector.raw):
            continue  # made for an earlier config
        old = not wanted.alone and not connector.planned
        if plan.tasks != connector.tasks or connector.inconsistent or old:
            found[name] = plan.tasks
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


def items(connectors: Mapping[str, Configured]) -> frozenset[Item]:
    """What there is to hand out to the members of a cluster. The tasks are those of the last complete plan."""
    found = {Item(name, CONNECTOR) for name in connectors}
    for name, connector in connectors.items():
        if connector.target != "STOPPED":
            found.update(Item(name, number) for number in range(len(connector.tasks)))
    return frozenset(found)


def item_of(key: Hashable, wanted: Wanted) -> Item | None:
    """Whose owner runs what has this key, a `TaskId` or `JobId`. All of a generation that readers do not see yet, or
    no longer, runs where its connector is."""
    if isinstance(key, JobId):
        return Item(key.view, CONNECTOR)
    if not isinstance(key, TaskId):
        return None
    return Item(key.connector, key.task if key.generation == wanted.generation(key.connector) else CONNECTOR)


def own_builds(wanted: Wanted) -> dict[Build, RawConfig]:
    """Those that this worker plans."""
    found = builds(wanted)
    return {build: raw for build, raw in found.items() if wanted.assigned.has(Item(build.connector, CONNECTOR))}


def plan_of(wanted: Wanted, build: Build, raw: RawConfig) -> TaskPlan | None:
    """The plan by which tasks run now; None: not known yet, or its connector fails.

    In a cluster it has to be on the log, so that all members run tasks of the same plan, and nothing is started anew
    where its connector moves.
    """
    connector = wanted.connectors[build.connector]
    plan = wanted.plans.get(build)
    if plan is not None and (plan.error or dict(plan.raw) != dict(raw)):
        plan = None
    if wanted.alone or build.generation != wanted.generation(build.connector):
        return plan
    return _committed(connector, raw, wanted.settings) if connector.planned else None


def _committed(connector: Configured, raw: RawConfig, settings: Mapping[str, str]) -> TaskPlan | None:
    """As much of the plan as everybody can know; what else there is the task's process finds out."""
    try:
        kind = installed().kind_of(raw.get("connector.class", ""))
    except ConfigError:
        return None
    wanted = raw.get("exactly.once.support", "requested").strip().lower() != "disabled"
    exactly_once = wanted and settings.get("exactly.once.source.support", "enabled").strip().lower() == "enabled"
    return TaskPlan(dict(raw), kind, connector.tasks, exactly_once=exactly_once)


def desired(wanted: Wanted, now_ms: int) -> Desired:
    """What has to run now on this worker."""
    works: dict[Hashable, Work] = {}
    undecided: set[Build] = set()
    for build, raw in builds(wanted).items():
        plan = plan_of(wanted, build, raw)
        if plan is None:
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
                incarnation=wanted.assigned.incarnation,
                lease=wanted.lease or "",
            )
            works[TaskId(*build, number)] = task_work(spec, paused, plan.restart)
    for name, view in wanted.views.items():
        if name in wanted.connectors and view.needs_process(now_ms):
            assignment: dict[str, Any] = {
                "view": name,
                "settings": dict(wanted.settings),
                "data_dir": wanted.data_dir,
                "incarnation": wanted.assigned.incarnation,
            }
            if overrides := overrides_of(wanted.connectors[name].raw):
                assignment["overrides"] = overrides
            works[JobId(name)] = Work(JOB_MODULE, assignment, {"job": name}, restart=JOB_RESTART, once=True)
    if wanted.alone:
        return Desired(works, undecided)

    def ours(key: Hashable) -> bool:
        item = item_of(key, wanted)
        return item is not None and wanted.assigned.has(item)

    return Desired({key: work for key, work in works.items() if ours(key)}, undecided, ours)


def task_work(spec: TaskSpec, paused: bool, restart: RestartPolicy) -> Work:
    who = {"connector": spec.connector, "generation": spec.generation, "task": spec.task}
    return Work(TASK_MODULE, spec.as_dict(), who, paused, restart)
