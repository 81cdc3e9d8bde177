"""Real records through every stage of a connector, shown and written nowhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from headwater.worker.api import Fatal, Record, SourceConnector, TaskContext, TopicPartition
from headwater.worker.config.plan import ConnectorPlan
from headwater.worker.config.policies import ErrorPolicy
from headwater.worker.log import open_log
from headwater.worker.log.contract import Log, Message
from headwater.worker.observe.metrics import TaskMetrics

from .errors import RecordErrors
from .pipe import SinkPipe, SourcePipe

__all__ = ["preview"]

_CHUNK = 50


def preview(
    plan: ConnectorPlan,
    settings: Mapping[str, str],
    data_dir: Path,
    records: int,
    seconds: float,
    stop: threading.Event,
) -> dict[str, Any]:
    """At most `records` records, looked for during at most `seconds`. A record that fails is told under `errors`.

    Sources that can read their rows without leaving a trace (`source_rows`) do so; others are opened from the start and
    never acknowledged to. Sinks show what lies on the log.
    """
    metrics = TaskMetrics()
    errors: list[str] = []
    handler = RecordErrors(ErrorPolicy(), metrics, lambda wait_s: True)
    shown: list[dict[str, Any]] = []
    end = time.monotonic() + seconds
    if plan.kind == "source":
        source_pipe = SourcePipe(plan, handler, metrics)
        for record in _of_source(plan, end, stop):
            _collect(shown, errors, lambda: map(_message, source_pipe.process([record])))  # noqa: B023 - called at once
            if len(shown) >= records or len(errors) >= records or time.monotonic() > end or stop.is_set():
                break
    else:
        sink_pipe = SinkPipe(plan, handler, metrics)
        the_log = open_log(settings, data_dir)
        try:
            for message in _of_log(plan, the_log):
                _collect(shown, errors, lambda: map(_record, sink_pipe.process([message])))  # noqa: B023 - called at once
                if len(shown) >= records or len(errors) >= records or time.monotonic() > end or stop.is_set():
                    break
        finally:
            the_log.close()
    return {"records": shown[:records], "filtered": metrics.records_filtered, "errors": errors}


def _collect(shown: list[dict[str, Any]], errors: list[str], work: Callable[[], Iterable[dict[str, Any]]]) -> None:
    try:
        shown.extend(work())
    except Fatal as error:
        errors.append(str(error))


def _of_source(plan: ConnectorPlan, end: float, stop: threading.Event) -> Iterator[Record]:
    connector = plan.connector
    assert isinstance(connector, SourceConnector)
    rows = getattr(connector, "source_rows", None)
    if rows is not None:
        yield from rows(plan.values, ()).records
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
        while messages := consumer.poll(_CHUNK, 1.0):
            yield from messages
    finally:
        consumer.close()


def _message(message: Message) -> dict[str, Any]:
    return {
        "topic": message.topic,
        "partition": message.partition,
        "key": _text(message.key),
        "value": _text(message.value),
        "headers": {name: _text(value) for name, value in message.headers},
        "timestamp_ms": message.timestamp_ms,
    }


def _record(record: Record) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": record.key,
        "value": record.value,
        "headers": {header.name: header.value for header in record.headers},
        "timestamp_ms": record.timestamp_ms,
        "version": record.version,
    }


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "backslashreplace")
