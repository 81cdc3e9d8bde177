"""What can be asked of a connector's plugin in a short-lived process; see `plugin_process` for the table."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from headwater.worker.api import ConfigError, Option, Options, Problem, SourceConnector
from headwater.worker.api.options import REQUIRED
from headwater.worker.config.connector_options import COMMON, OF_KIND
from headwater.worker.config.plan import ConnectorPlan, build_plan
from headwater.worker.config.plugins import PluginKind, installed
from headwater.worker.config.secrets import Redactor, secret_values

from .preview import preview

__all__ = ["VERBS", "Scene"]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a call works on; `raw` and `settings` are expanded. `missing`: variables that could not be read."""

    raw: Mapping[str, str]
    settings: Mapping[str, str]
    data_dir: Path
    redactor: Redactor
    stopping: threading.Event
    missing: list[Problem] = field(default_factory=list)

    def plan(self) -> ConnectorPlan:
        """Raises `ConfigError`."""
        plan = build_plan(self.raw, self.settings)
        self.redactor.add(secret_values(self.raw, self.raw, plan.secret_options()))
        return plan


def _validate(scene: Scene) -> dict[str, Any]:
    problems = list(scene.missing)
    missing = {problem.option for problem in problems}
    try:
        build_plan(scene.raw, scene.settings)
    except ConfigError as error:
        problems += [problem for problem in error.problems if problem.option not in missing]
    options: Options = COMMON
    kind = None
    plugins = installed()
    try:
        kind = plugins.kind_of(scene.raw.get("connector.class", ""))
        options = COMMON + OF_KIND[kind] + plugins.connector(scene.raw["connector.class"]).options
    except ConfigError:
        kind = None  # the problem is among those of the plan
    found = [_problem(problem, options, scene.redactor) for problem in problems]
    return {"kind": kind, "problems": found, "options": [_option(option) for option in options]}


def _problem(problem: Problem, options: Options, redactor: Redactor) -> dict[str, Any]:
    declared = options.find(problem.option)
    secret = isinstance(declared, Option) and declared.secret
    return {
        "option": problem.option,
        "message": redactor.redact(problem.message),
        "hint": redactor.redact(problem.hint),
        "value": None if secret or problem.value is None else redactor.redact(problem.value),
    }


def _option(option: Option) -> dict[str, Any]:
    default = option.default
    return {
        "name": option.name,
        "type": str(option.type),
        "required": default is REQUIRED,
        "default": None if default is REQUIRED or option.secret else default,
        "importance": option.importance,
        "doc": option.doc,
        "group": option.group,
        "choices": list(option.choices),
        "pattern": option.pattern,
        "aliases": list(option.aliases),
    }


def _options(scene: Scene, kind: PluginKind, plugin: str) -> dict[str, Any]:
    """A transform's, predicate's or converter's own."""
    loaded = installed().load(kind, plugin)
    return {"kind": kind, "options": [_option(option) for option in loaded.options]}


def _plan_tasks(scene: Scene) -> dict[str, Any]:
    plan = scene.plan()
    tasks = plan.connector.plan_tasks(plan.values, plan.tasks_max)
    if plan.tasks_max_enforce and len(tasks) > plan.tasks_max:
        message = f"the connector made {len(tasks)} tasks, {plan.tasks_max} are allowed"
        raise ConfigError([Problem("tasks.max", message, "raise it, or set tasks.max.enforce=false")])
    policy = plan.restart
    return {
        "kind": plan.kind,
        "tasks": tasks,
        "restart": {
            "backoff_initial_ms": policy.backoff_initial_ms,
            "backoff_max_ms": policy.backoff_max_ms,
            "max_attempts": policy.max_attempts,
        },
        "topics": list(plan.topics),
        "topics_regex": plan.topics_regex.pattern if plan.topics_regex is not None else None,
        "offsets_topic": plan.offsets_topic,
        "exactly_once": plan.exactly_once,
        "generations": plan.connector.features.generations,
    }


def _check(scene: Scene) -> dict[str, Any]:
    plan = scene.plan()
    findings = [asdict(finding) for finding in plan.connector.check(plan.values)]
    for finding in findings:
        finding.update({name: scene.redactor.redact(finding[name]) for name in ("subject", "message", "fix")})
    return {"kind": plan.kind, "findings": findings}


def _alter_offsets(scene: Scene, offsets: Iterable[tuple[dict[str, Any], dict[str, Any] | None]]) -> dict[str, Any]:
    plan = scene.plan()
    if isinstance(plan.connector, SourceConnector):
        plan.connector.alter_offsets(plan.values, [(partition, position) for partition, position in offsets])
    return {"kind": plan.kind}


def _preview(scene: Scene, records: int = 10, seconds: float = 20.0) -> dict[str, Any]:
    plan = scene.plan()
    shown = preview(plan, scene.settings, scene.data_dir, records, seconds, scene.stopping)
    for record in shown["records"]:
        record["error"] = record["error"] and scene.redactor.redact(record["error"])
    shown["notes"] = [scene.redactor.redact(text) for text in shown["notes"]]
    return {"kind": plan.kind, **shown}


VERBS: dict[str, Callable[..., dict[str, Any]]] = {
    "validate": _validate,
    "options": _options,
    "plan_tasks": _plan_tasks,
    "check": _check,
    "alter_offsets": _alter_offsets,
    "preview": _preview,
}
