"""Real records through every stage of a connector, shown and written nowhere.

What is shown of one record, as JSON:
`{"from": RECORD, "stages": [{"stage": NAME, "plugin": CLASS, "records": [RECORD, …]}, …], "to": [RECORD, …], "error":
TEXT or null}`.
A stage whose predicate does not hold is left out. `to` holds, for a source, keys and values as the bytes that would lie
on the log; for a sink, the records that it would get, each with the rows of the view that it would touch (`rows`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from headwater.worker.api import (
    Fatal,
    Generations,
    HasGenerations,
    HasPreview,
    HasSourceRows,
    HeadwaterError,
    Record,
    SourceConnector,
    TaskContext,
    TopicPartition,
    Transform,
)
from headwater.worker.config.plan import ConnectorPlan
from headwater.worker.config.policies import ErrorPolicy
from headwater.worker.config.stages import Stage
from headwater.worker.log import open_log
from headwater.worker.log.contract import Log, Message
from headwater.worker.log.embedded import FILE_NAME
from headwater.worker.observe.metrics import TaskMetrics

from .errors import RecordErrors
from .pipe import SinkPipe, SourcePipe

__all__ = ["preview"]

_CHUNK = 50
_WAIT_S = 1.0

Shown = dict[str, Any]


def preview(
    plan: ConnectorPlan,
    settings: Mapping[str, str],
    data_dir: Path,
    records: int,
    seconds: float,
    stop: threading.Event,
) -> Shown:
    """At most `records` records, looked for during at most `seconds`; `notes` say what could not be looked at.

    Sources that can read their rows without leaving a trace (`preview`, `source_rows`) do so; others are opened from
    the start and never acknowledged to. Sinks show what lies on the log.
    """
    shown: list[Shown] = []
    end = time.monotonic() + seconds
    run = _Run(plan, settings, data_dir, end, stop)
    with closing(run.source() if plan.kind == "source" else run.sink()) as found:
        for one in found:
            shown.append(one)
            if len(shown) >= records or time.monotonic() > end or stop.is_set():
                break
    return {"records": shown, "notes": run.notes}


class _Run:
    def __init__(
        self, plan: ConnectorPlan, settings: Mapping[str, str], data_dir: Path, end: float, stop: threading.Event
    ) -> None:
        self._trace: list[Shown] = []
        self._plan = replace(plan, stages=tuple(_traced(stage, self._trace) for stage in plan.stages))
        self._settings, self._data_dir = settings, data_dir
        self._end, self._stop = end, stop
        for converter in (plan.key_converter, plan.value_converter, plan.header_converter):
            if converter is not None:
                converter.rehearse()
        for stage in plan.stages:
            stage.transform.rehearse()
        metrics = TaskMetrics()
        # A limit: with none, a registry that does not answer would be waited for.
        self._errors = RecordErrors(ErrorPolicy(retry_timeout_ms=1), metrics, lambda wait_s: True)
        self._metrics = metrics
        self.notes: list[str] = []

    def source(self) -> Generator[Shown, None, None]:
        pipe = SourcePipe(self._plan, self._errors, self._metrics)
        with closing(_of_source(self._plan, self._end, self._stop)) as records:
            for record in records:
                yield self._through(_record(record), lambda: map(_message, pipe.process([record])))  # noqa: B023

    def sink(self) -> Generator[Shown, None, None]:
        if not self._settings.get("bootstrap.servers", "").strip() and not (self._data_dir / FILE_NAME).exists():
            self.notes.append(f"there is no log in {self._data_dir}")
            return  # opening it would make it
        pipe = SinkPipe(self._plan, self._errors, self._metrics)
        with closing(open_log(self._settings, self._data_dir, self._plan.raw)) as the_log:
            view = self._view()
            try:
                for message in _of_log(self._plan, the_log):
                    yield self._through(
                        _message(message),
                        lambda: [_record(r) | self._rows(view, r) for r in pipe.process([message])],  # noqa: B023
                    )
            finally:
                if view is not None:
                    view.close()

    def _through(self, source: Shown, work: Any) -> Shown:
        self._trace.clear()
        shown: Shown = {"from": source, "to": [], "error": None}
        try:
            shown["to"] = list(work())
        except Fatal as error:
            shown["error"] = str(error)
        return shown | {"stages": list(self._trace)}

    def _view(self) -> Generations | None:
        """What knows the rows that a record should make; None where there is no such thing or its server is away."""
        connector = self._plan.connector
        if not connector.features.generations:
            return None
        try:
            return cast(Generations, cast(HasGenerations, connector).generations(self._plan.values, self._plan.name))
        except HeadwaterError as error:
            self.notes.append(f"the rows of the view are not shown: {error}")
            return None

    def _rows(self, view: Generations | None, record: Record) -> Shown:
        if view is None or self.notes:
            return {}
        try:
            rows = list(view.expect([record]))
        except HeadwaterError as error:
            self.notes.append(f"the rows of the view are not shown: {error}")
            return {}
        return {"rows": [{"part": r.part, "key": _text(r.key), "gone": r.digest is None} for r in rows]}


def _traced(stage: Stage, trace: list[Shown]) -> Stage:
    """The same stage, which also notes what it makes of a record."""
    inner = stage.transform

    class Traced(Transform):
        def apply(self, record: Record) -> Record | Iterable[Record] | None:
            result = inner.apply(record)
            made = [] if result is None else [result] if isinstance(result, Record) else list(result)
            trace.append({"stage": stage.alias, "plugin": type(inner).__name__, "records": list(map(_record, made))})
            return made

        def close(self) -> None:
            inner.close()

    # Error messages name the class that was at work: the user's transform, not this one around it.
    Traced.__module__, Traced.__qualname__ = type(inner).__module__, type(inner).__qualname__
    return replace(stage, transform=Traced())


def _of_source(plan: ConnectorPlan, end: float, stop: threading.Event) -> Generator[Record, None, None]:
    connector = plan.connector
    assert isinstance(connector, SourceConnector)
    if hasattr(connector, "preview"):
        yield from cast(HasPreview, connector).preview(plan.values)
        return
    if hasattr(connector, "source_rows"):
        yield from cast(HasSourceRows, connector).source_rows(plan.values, ()).records
        return
    configs = connector.plan_tasks(plan.values, 1)
    source = connector.task()
    try:
        source.open(TaskContext(plan.name, 0, plan.values, configs[0] if configs else {}, stopping=stop), [])
        while time.monotonic() < end and not stop.is_set():
            batch = source.read(0.5)
            yield from batch.records if batch is not None else ()
            if batch is None or not batch.records:
                source.ack([])
    finally:
        source.close()


def _of_log(plan: ConnectorPlan, the_log: Log) -> Iterator[Message]:
    """The topics' records from their beginning, a few of each partition in turn."""
    infos = the_log.topics(None if plan.topics_regex is not None else plan.topics)
    partitions = [
        TopicPartition(info.name, number)
        for info in infos.values()
        if plan.topics_regex is None or plan.topics_regex.fullmatch(info.name)
        for number in range(info.partitions)
    ]
    begin = the_log.begin_offsets(partitions)
    consumer = the_log.consumer()
    try:
        consumer.assign(begin)
        while messages := consumer.poll(_CHUNK, _WAIT_S):
            yield from messages
    finally:
        consumer.close()


def _message(message: Message) -> Shown:
    return {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset if message.offset >= 0 else None,
        "key": _text(message.key),
        "value": _text(message.value),
        "headers": {name: _text(value) for name, value in message.headers},
        "timestamp_ms": message.timestamp_ms,
    }


def _record(record: Record) -> Shown:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": _plain(record.key),
        "value": _plain(record.value),
        "headers": {header.name: _plain(header.value) for header in record.headers},
        "timestamp_ms": record.timestamp_ms,
        "version": record.version,
    }


def _plain(value: Any) -> Any:
    """Something that JSON has; what it has not, as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return _text(bytes(value))
    if value is None or isinstance(value, bool | str | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)  # the child's line takes no larger ones
    return str(value)


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "backslashreplace")
