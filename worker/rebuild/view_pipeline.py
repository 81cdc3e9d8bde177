"""One generation's config at work: messages of its topics become what it should hold. Writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

from headwater.worker.api import (
    ConfigError,
    Connector,
    ExpectedRow,
    Generations,
    HasGenerations,
    Problem,
    Record,
    TopicPartition,
)
from headwater.worker.cluster.view_state import RawConfig
from headwater.worker.config.plan import ConnectorPlan, build_plan
from headwater.worker.config.secrets import expand, secret_values
from headwater.worker.log.contract import Log, Message, TopicInfo
from headwater.worker.observe.metrics import TaskMetrics
from headwater.worker.runtime.errors import RecordErrors
from headwater.worker.runtime.pipe import SinkPipe, SourcePipe

Expect = Callable[[Iterable[Message]], Iterator[ExpectedRow]]
Wait = Callable[[float, str], bool]
"""Seconds before a record is tried again, and why; True where its job has been given up meanwhile."""


def plan_of(raw: RawConfig, worker: Mapping[str, str]) -> tuple[ConnectorPlan, set[str]]:
    """The plan of a config as it lies on the log, and the secrets that it brought into this process."""
    expanded = expand(raw)
    plan = build_plan(expanded, worker)
    return plan, secret_values(raw, expanded, plan.secret_options())


def _sleep(seconds: float, why: str) -> bool:
    time.sleep(seconds)
    return False


def _errors(plan: ConnectorPlan, metrics: TaskMetrics, wait: Wait) -> RecordErrors:
    errors = RecordErrors(plan.errors, metrics, lambda seconds: wait(seconds, errors.waits_for))
    return errors


class ViewPipeline:
    """Opened with the config of one generation; a view's generations can be asked through any of its configs."""

    def __init__(self, view: str, raw: RawConfig, worker: Mapping[str, str], wait: Wait = _sleep) -> None:
        self.plan, self.secrets = plan_of(raw, worker)
        self._view = view
        self.generations = _generations(self.plan.connector, self.plan, view)
        metrics = TaskMetrics()
        self._pipe = SinkPipe(self.plan, _errors(self.plan, metrics, wait), metrics)

    def records(self, messages: Iterable[Message]) -> list[Record]:
        """After the converters and transforms. Raises `Fatal` for a record that fails and is not tolerated,
        `Interrupted` where the job has been given up while one had to wait."""
        return self._pipe.process(messages)

    @contextmanager
    def expectation(self) -> Iterator[Expect]:
        """What messages should make of the view, for one reading of the log in order.

        Each reading has generations of its own: they may remember what earlier records held.
        """
        fresh = _generations(self.plan.connector, self.plan, self._view)
        try:
            yield lambda messages: fresh.expect(self.records(messages))
        finally:
            fresh.close()

    def topics(self, log: Log) -> dict[str, TopicInfo]:
        """Those of this view's topics that are there."""
        if self.plan.topics_regex is None:
            return log.topics(self.plan.topics)
        return {name: info for name, info in log.topics().items() if self.plan.topics_regex.fullmatch(name)}

    def partitions(self, log: Log) -> list[TopicPartition]:
        return [TopicPartition(i.name, n) for i in self.topics(log).values() for n in range(i.partitions)]

    def close(self) -> None:
        self._pipe.close()
        self.generations.close()


def _generations(connector: Connector, plan: ConnectorPlan, view: str) -> Generations:
    if plan.kind != "sink" or not connector.features.generations:
        name = type(connector).__name__
        raise ConfigError([Problem("connector.class", f"{name} keeps no view that could be rebuilt", "a sink can")])
    return cast(Generations, cast(HasGenerations, connector).generations(plan.values, view))


class SourcePipeline:
    """A source connector's config at work: its records become the messages that its tasks would write."""

    def __init__(self, raw: RawConfig, worker: Mapping[str, str], wait: Wait = _sleep) -> None:
        self.plan, self.secrets = plan_of(raw, worker)
        metrics = TaskMetrics()
        self._pipe = SourcePipe(self.plan, _errors(self.plan, metrics, wait), metrics)

    def messages(self, records: Sequence[Record]) -> list[Message]:
        return self._pipe.process(records)

    def close(self) -> None:
        self._pipe.close()
