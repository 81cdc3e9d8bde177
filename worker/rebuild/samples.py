"""The newest record of each topic, as a view's pipeline makes it: what a new generation's tables are made from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from headwater.worker.api import Record, Schema, TopicPartition, Type
from headwater.worker.log.contract import Log, Message

from .log_reading import read_between
from .view_pipeline import ViewPipeline

_STEPS: Final = (50, 2_000, 50_000)
"""How far back from the end of a partition is looked for a record with a value, in turn; then from the beginning."""
REFUSED_AT_MOST: Final = 1_000
"""Records of one topic's end that the view may all refuse before no others are looked for."""


class Sample(NamedTuple):
    """A message and what became of it."""

    message: Message
    record: Record


def newest_messages(log: Log, topic: str, partitions: int) -> Iterable[list[Message]]:
    """Messages of the topic's end, newest first in each list; further back each time."""
    places = [TopicPartition(topic, number) for number in range(partitions)]
    begins, ends = log.begin_offsets(places), log.end_offsets(places)
    before = ends
    for step in (*_STEPS, None):
        first = {tp: begins[tp] if step is None else max(begins[tp], ends[tp] - step) for tp in places}
        messages = [m for batch in read_between(log, first, before) for m in batch]
        messages.sort(key=lambda m: (m.timestamp_ms or 0, m.offset), reverse=True)
        yield messages
        before = first
        if first == begins:
            return


def newest_samples(log: Log, pipeline: ViewPipeline) -> dict[str, Sample]:
    """For each topic that the transforms lead to, the newest record with a value; empty topics give none.

    Where bad records are tolerated, one that makes no row of the view is passed over, for what is before it.
    """
    found: dict[str, Sample] = {}
    for name, info in pipeline.topics(log).items():
        for sample in _of_topic(log, pipeline, name, info.partitions):
            known = found.get(sample.record.topic)
            if known is None or (known.message.timestamp_ms or 0) < (sample.message.timestamp_ms or 0):
                found[sample.record.topic] = sample
    return found


def _of_topic(log: Log, pipeline: ViewPipeline, topic: str, partitions: int) -> list[Sample]:
    tolerant, refused = pipeline.plan.errors.tolerance == "all", 0
    with pipeline.expectation() as expect:
        for messages in newest_messages(log, topic, partitions):
            seen: dict[str, Sample] = {}
            for message in messages:
                made = [record for record in _rows(pipeline, message) if record.topic not in seen]
                if made and tolerant and not any(True for _ in expect([message])):
                    refused += len(made)
                    continue
                for record in made:
                    seen.setdefault(record.topic, Sample(message, record))
            if seen:
                return list(seen.values())
            if refused >= REFUSED_AT_MOST:
                break
    return []


def _rows(pipeline: ViewPipeline, message: Message) -> list[Record]:
    """The records that the transforms make of it and that hold a row."""
    if message.value is None:
        return []
    return [record for record in pipeline.records([message]) if record.value is not None and not _is_delete(record)]


def _is_delete(record: Record) -> bool:
    """A change event that holds no row after the change."""
    value, schema = record.value, record.value_schema
    return isinstance(value, dict) and (schema is None or schema.get("after") is not None) and (
        "before" in value and "after" in value and value["after"] is None
    )  # fmt: skip


def columns_of(record: Record) -> dict[str, str]:
    """Field names and types of a record's row, change events unwrapped: {"id": "int32", "name": "string optional"}."""
    schema = record.value_schema
    if schema is not None and (after := schema.get("after")) is not None and after.type is Type.STRUCT:
        schema = after
    if schema is not None and schema.type is Type.STRUCT:
        return {field.name: _type_name(field.schema) for field in schema.fields}
    if isinstance(record.value, dict):
        return {str(name): "" for name in record.value}
    return {}


def _type_name(schema: Schema) -> str:
    return (schema.name or str(schema.type)) + (" optional" if schema.optional else "")


def difference(old: dict[str, str], new: dict[str, str]) -> dict[str, list[str]]:
    """What a new shape adds, drops and changes; empty lists are left out."""
    changed = [f"{n}: {old[n]} -> {new[n]}" for n in new if n in old and old[n] != new[n]]
    lists = {"added": [n for n in new if n not in old], "dropped": [n for n in old if n not in new], "changed": changed}
    return {name: columns for name, columns in lists.items() if columns}
