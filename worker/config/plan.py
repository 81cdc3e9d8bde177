"""A connector's whole config, parsed and checked: what a task needs to run, or every problem at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from headwater.worker.api import Connector, Converter, Values

from .stages import Stage

__all__ = ["ConnectorPlan", "ErrorPolicy", "RestartPolicy", "Stage", "TopicGroup"]

Kind = Literal["source", "sink"]


@dataclass(frozen=True, slots=True)
class ErrorPolicy:
    """What happens to a record that fails in a stage or converter, and to a call that raises `Retriable`.

    `retry_timeout_ms`: 0 = no retries, -1 = for ever. `dlq_topic` is None where there is no dead letter queue.
    """

    tolerance: Literal["none", "all"] = "none"
    retry_timeout_ms: int = 0
    retry_delay_max_ms: int = 60_000
    log_enable: bool = False
    log_include_messages: bool = False
    dlq_topic: str | None = None
    dlq_replication_factor: int = 3
    dlq_context_headers: bool = False


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How a failed task is started again. `max_attempts`: in a row without progress; -1 = no limit, 0 = never."""

    backoff_initial_ms: int = 1_000
    backoff_max_ms: int = 60_000
    max_attempts: int = 10


@dataclass(frozen=True, slots=True)
class TopicGroup:
    """How the topics of one `topic.creation.NAME.*` group are made. None: the worker's or broker's default."""

    name: str
    include: tuple[re.Pattern[str], ...] = ()
    exclude: tuple[re.Pattern[str], ...] = ()
    partitions: int | None = None
    replication_factor: int | None = None
    config: Mapping[str, str] = field(default_factory=dict)

    def matches(self, topic: str) -> bool:
        return any(p.fullmatch(topic) for p in self.include) and not any(p.fullmatch(topic) for p in self.exclude)


@dataclass(frozen=True, slots=True)
class ConnectorPlan:
    """Everything a task runs on. Transforms, predicates and converters are instances, configured, one set a plan.

    `values`: framework and connector options together, parsed, a task's own config merged in.
    `raw`: the text they were parsed from, secrets expanded; never show it.
    `key_converter`, `value_converter`: the connector's own, else the worker's.
    `header_converter`: None = Connect's SimpleHeaderConverter.
    `topics` and `topics_regex` belong to sinks; one of the two is set. `exactly_once`, `topic_groups` to sources.
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
    errors: ErrorPolicy = ErrorPolicy()
    restart: RestartPolicy = RestartPolicy()
    topics: tuple[str, ...] = ()
    topics_regex: re.Pattern[str] | None = None
    exactly_once: bool = True
    offsets_topic: str | None = None
    topic_groups: tuple[TopicGroup, ...] = ()
    producer_overrides: Mapping[str, str] = field(default_factory=dict)
    consumer_overrides: Mapping[str, str] = field(default_factory=dict)
    admin_overrides: Mapping[str, str] = field(default_factory=dict)

    def topic_group(self, topic: str) -> TopicGroup | None:
        """The first group that takes this topic; None where the user gave none."""
        return next((group for group in self.topic_groups if group.matches(topic)), None)
