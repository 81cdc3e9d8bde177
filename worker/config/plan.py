"""A connector's whole config, parsed and checked: what a task needs to run, or every problem at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from headwater.worker.api import ConfigError, Connector, Converter, Options, Problem, Values

from .client_overrides import refused_overrides
from .connector_options import COMMON, OF_KIND, SINK, SOURCE
from .plugins import Plugins, installed
from .policies import BoundaryPolicy, ErrorPolicy, RestartPolicy, boundary_policy, error_policy, restart_policy
from .stages import Stage, build_converter, build_stages
from .topic_groups import PREFIX as TOPIC_CREATION
from .topic_groups import TopicGroup, topic_groups

__all__ = ["ConnectorPlan", "ErrorPolicy", "RestartPolicy", "Stage", "TopicGroup", "build_plan"]

Kind = Literal["source", "sink"]

DEFAULT_CONVERTER: Final = "org.apache.kafka.connect.json.JsonConverter"
_CONVERTERS: Final = ("key.converter", "value.converter", "header.converter")
_STAGES: Final = ("transforms.", "predicates.")


@dataclass(frozen=True, slots=True)
class ConnectorPlan:
    """Everything a task runs on. Transforms, predicates and converters are instances, configured, one set a plan.

    `values`: framework and connector options together, parsed, a task's own config merged in.
    `raw`: the text they were parsed from, secrets expanded; never show it.
    `key_converter`, `value_converter`: the connector's own, else the worker's.
    `header_converter`: None = headers are written as SimpleHeaderConverter does and read as the bytes that they are.
    `topics` and `topics_regex` belong to sinks; one of the two is set. `exactly_once`, `boundary`,
    `topic_groups` to sources.
    `topic_groups` are in the order of preference; the default group, which matches every topic, is last.
    """

    name: str
    kind: Kind
    connector: Connector
    values: Values
    raw: Mapping[str, str]
    key_converter: Converter
    value_converter: Converter
    header_converter: Converter | None = None
    stages: tuple[Stage, ...] = ()
    tasks_max: int = 1
    tasks_max_enforce: bool = True
    errors: ErrorPolicy = field(default_factory=ErrorPolicy)
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    topics: tuple[str, ...] = ()
    topics_regex: re.Pattern[str] | None = None
    exactly_once: bool = True
    boundary: BoundaryPolicy = field(default_factory=BoundaryPolicy)
    offsets_topic: str | None = None
    topic_groups: tuple[TopicGroup, ...] = ()
    producer_overrides: Mapping[str, str] = field(default_factory=dict)
    consumer_overrides: Mapping[str, str] = field(default_factory=dict)
    admin_overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def reveals(self) -> bool:
        """One of the transforms makes readable what the topics hide."""
        return any(stage.transform.reveals for stage in self.stages)

    def topic_group(self, topic: str) -> TopicGroup | None:
        """The first group that takes this topic; None where the user gave none."""
        return next((group for group in self.topic_groups if group.matches(topic)), None)

    def secret_options(self) -> set[str]:
        """Names of the connector's password options; see `secrets.secret_values`."""
        return {name for name in self.raw if getattr(self.connector.options.find(name), "secret", False)}


def build_plan(
    raw: Mapping[str, str],
    worker: Mapping[str, str] | None = None,
    plugins: Plugins | None = None,
    task_config: Mapping[str, str] | None = None,
) -> ConnectorPlan:
    """Plan a connector from its options, `${…}` expanded.

    `worker`: the worker's own options as text; its converters and `exactly.once.source.support` are the defaults.
    `task_config`: what `plan_tasks` gave one task; the options that the connector declares are merged in.
    Imports the plugins that the config names. Raises `ConfigError` with every problem there is.
    """
    plugins = plugins or installed()
    worker = worker or {}
    problems: list[Problem] = []
    connector, kind = _connector(raw, plugins, problems)
    known = COMMON + (OF_KIND[kind] if kind else SOURCE + SINK) + (connector.options if connector else Options())
    merged = dict(raw) | {key: text for key, text in (task_config or {}).items() if known.find(key)}
    parts = _Parts.split(merged, connector)
    for key in _of_other_kind(kind, parts.main, known):
        del parts.main[key]
        problems.append(Problem(key, f"belongs to {'sink' if kind == 'source' else 'source'} connectors"))
    values, wrong = known.parse(
        parts.main if connector else {key: text for key, text in parts.main.items() if known.find(key)}
    )
    reported = {problem.option for problem in problems}
    problems += [_with_section(problem) for problem in wrong if problem.option not in reported]
    problems += refused_overrides(raw, worker)

    stages, wrong = build_stages(values.get("transforms", ()), values.get("predicates", ()), parts.stages, plugins)
    problems += wrong
    converters = {prefix: _converter(prefix, parts, worker, plugins, problems) for prefix in _CONVERTERS}
    groups: tuple[TopicGroup, ...] = ()
    if kind == "source":
        groups, wrong = topic_groups(values.get("topic.creation.groups", ()), parts.topics)
        problems += wrong
    else:
        problems += [Problem(TOPIC_CREATION + key, "belongs to source connectors") for key in parts.topics]
    if connector and kind:
        problems += _framework_rules(kind, connector, values, worker)
        if not problems:  # a connector's own rules may rely on every value being there
            problems += connector.validate(values)
    if problems or not connector or not kind:
        raise ConfigError(problems)
    return _plan(kind, connector, values, merged, converters, stages, groups, worker)


@dataclass(frozen=True, slots=True)
class _Parts:
    """A connector's options by who reads them. `converters` and `topics` have their prefix cut off."""

    main: dict[str, str] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)
    topics: dict[str, str] = field(default_factory=dict)
    converters: dict[str, dict[str, str]] = field(default_factory=lambda: {prefix: {} for prefix in _CONVERTERS})

    @classmethod
    def split(cls, raw: Mapping[str, str], connector: Connector | None) -> _Parts:
        parts = cls()
        declared = connector.options if connector else Options()
        for key, text in raw.items():
            prefix = next((p for p in _CONVERTERS if key.startswith(f"{p}.")), None)
            if prefix:
                parts.converters[prefix][key.removeprefix(f"{prefix}.")] = text
            elif key.startswith(_STAGES):
                parts.stages[key] = text
            elif key.startswith(TOPIC_CREATION) and not SOURCE.find(key) and not declared.find(key):
                parts.topics[key.removeprefix(TOPIC_CREATION)] = text
            else:
                parts.main[key] = text
        return parts


def _connector(
    raw: Mapping[str, str], plugins: Plugins, problems: list[Problem]
) -> tuple[Connector | None, Kind | None]:
    name = raw.get("connector.class", "").strip()
    if not name:
        hint = "`headwater plugins` lists the connectors that are installed"
        problems.append(Problem("connector.class", "required and missing", hint))
        return None, None
    try:
        kind = plugins.kind_of(name)
    except ConfigError as error:
        problems += error.problems
        return None, None
    try:
        return plugins.connector(name), kind
    except ConfigError as error:
        problems += error.problems
        return None, kind


def _of_other_kind(kind: Kind | None, main: Mapping[str, str], known: Options) -> list[str]:
    """Options such as `topics` given to a source: told apart from a misspelt name."""
    other = {"source": SINK, "sink": SOURCE}.get(kind or "", Options())
    return [key for key in main if known.find(key) is None and other.find(key)]


def _with_section(problem: Problem) -> Problem:
    """Suggest a section for `transform.unwrap.type`, which resembles no single option."""
    first, _, rest = problem.option.partition(".")
    section = difflib.get_close_matches(first, ["transforms", "predicates"], n=1, cutoff=0.8)
    if problem.message != "unknown option" or "." not in rest or not section:
        return problem
    return Problem(problem.option, problem.message, f"did you mean {section[0]}.{rest}?", problem.value)


def _converter(
    prefix: str, parts: _Parts, worker: Mapping[str, str], plugins: Plugins, problems: list[Problem]
) -> Converter | None:
    """The connector's own converter, else the worker's with the worker's options."""
    name, own = parts.main.get(prefix, "").strip(), parts.converters[prefix]
    if not name:
        problems += [
            Problem(f"{prefix}.{key}", f"has no effect without {prefix}", f"name the converter too: {prefix}: …")
            for key in own
        ]
        name = worker.get(prefix, "").strip() or ("" if prefix == "header.converter" else DEFAULT_CONVERTER)
        own = {k.removeprefix(f"{prefix}."): v for k, v in worker.items() if k.startswith(f"{prefix}.")}
    if not name:
        return None
    converter, wrong = build_converter(f"{prefix}.", name, own, prefix == "key.converter", plugins)
    problems += wrong
    return converter


def _framework_rules(
    kind: Kind, connector: Connector, values: Mapping[str, Any], worker: Mapping[str, str]
) -> list[Problem]:
    """Rules over several framework options. Options that could not be parsed are missing in `values`."""
    problems = []
    if kind == "sink":
        named, pattern = values.get("topics"), values.get("topics.regex")
        if named and pattern:
            problems.append(Problem("topics.regex", "cannot stand beside topics", "keep one of the two"))
        if named is not None and pattern is not None and not named and not pattern:
            problems.append(Problem("topics", "required and missing", "name the topics to read, or set topics.regex"))
        dead_letters = values.get("errors.deadletterqueue.topic.name")
        if dead_letters and dead_letters in (named or ()):
            problems.append(Problem("topics", f"holds the dead letter queue {dead_letters}", "it would feed itself"))
    else:
        if values.get("exactly.once.support") == "required":
            if not _exactly_once(values, worker):
                hint = "set exactly.once.source.support=enabled in the worker's file"
                problems.append(Problem("exactly.once.support", "required, but the worker has it switched off", hint))
            if not connector.features.exactly_once:
                problems.append(Problem("exactly.once.support", "required, but this connector does not promise it"))
        if values.get("transaction.boundary") == "connector" and not connector.features.transactions:
            refusal = "the connector does not support connector-defined transaction boundaries"
            problems.append(Problem("transaction.boundary", refusal, "use poll or interval"))
    return problems


def _plan(
    kind: Kind,
    connector: Connector,
    values: Values,
    raw: Mapping[str, str],
    converters: Mapping[str, Converter | None],
    stages: tuple[Stage, ...],
    groups: tuple[TopicGroup, ...],
    worker: Mapping[str, str],
) -> ConnectorPlan:
    key, value = converters["key.converter"], converters["value.converter"]
    assert key and value, "a converter that cannot be made is a problem, and problems were raised"
    pattern = values.get("topics.regex")
    return ConnectorPlan(
        name=values["name"],
        kind=kind,
        connector=connector,
        values=values,
        raw=dict(raw),
        key_converter=key,
        value_converter=value,
        header_converter=converters["header.converter"],
        stages=stages,
        tasks_max=values["tasks.max"],
        tasks_max_enforce=values["tasks.max.enforce"],
        errors=error_policy(values),
        restart=restart_policy(values),
        topics=tuple(values.get("topics", ())) if kind == "sink" else (),
        topics_regex=re.compile(pattern) if kind == "sink" and pattern else None,
        exactly_once=_exactly_once(values, worker),
        boundary=boundary_policy(values, worker) if kind == "source" else BoundaryPolicy(),
        offsets_topic=values.get("offsets.storage.topic") if kind == "source" else None,
        topic_groups=groups,
        producer_overrides=_overrides(values, "producer"),
        consumer_overrides=_overrides(values, "consumer"),
        admin_overrides=_overrides(values, "admin"),
    )


def _exactly_once(values: Mapping[str, Any], worker: Mapping[str, str]) -> bool:
    enabled = worker.get("exactly.once.source.support", "enabled").strip().lower() == "enabled"
    return enabled and values.get("exactly.once.support", "disabled") != "disabled"


def _overrides(values: Values, client: str) -> dict[str, str]:
    return {found[1]: text for found, text in values.matching(rf"{client}\.override\.(.+)")}
