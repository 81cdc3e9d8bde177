from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.worker.api import (
    DataError,
    Fatal,
    Header,
    Predicate,
    Record,
    SinkConnector,
    SourceConnector,
    Transform,
    Type,
    Values,
    primitive,
    struct,
)
from headwater.worker.config.plan import ConnectorPlan
from headwater.worker.config.policies import ErrorPolicy
from headwater.worker.config.stages import Stage
from headwater.worker.convert.header import SimpleHeaderConverter
from headwater.worker.convert.json import JsonConverter
from headwater.worker.log.contract import Message
from headwater.worker.observe.metrics import TaskMetrics
from headwater.worker.runtime.errors import RecordErrors, Where
from headwater.worker.runtime.pipe import SinkPipe, SourcePipe

KEY = struct({"id": primitive(Type.INT64)})
VALUE = struct({"id": primitive(Type.INT64), "name": primitive(Type.STRING, optional=True)})


def json_converter(is_key: bool) -> JsonConverter:
    converter = JsonConverter()
    values, problems = JsonConverter.options.parse({})
    assert not problems
    converter.configure(values, is_key)
    return converter


def plan(kind: str = "source", *stages: Stage, **policy: Any) -> ConnectorPlan:
    connector = SourceConnector() if kind == "source" else SinkConnector()
    return ConnectorPlan(
        "orders",
        kind,  # type: ignore[arg-type]
        connector,
        Values({}),
        {},
        json_converter(True),
        json_converter(False),
        stages=stages,
        errors=ErrorPolicy(**policy),
    )


def pipes(*stages: Stage, **policy: Any) -> tuple[SourcePipe, SinkPipe, TaskMetrics]:
    metrics = TaskMetrics()
    source, sink = plan("source", *stages, **policy), plan("sink", *stages, **policy)
    handler = RecordErrors(source.errors, metrics, lambda seconds: False)
    return SourcePipe(source, handler, metrics), SinkPipe(sink, handler, metrics), metrics


def record(n: int, **more: Any) -> Record:
    return Record("orders", {"id": n}, {"id": n, "name": f"n{n}"}, KEY, VALUE, timestamp_ms=n, version=n << 53, **more)


def on_the_log(message: Message, offset: int) -> Message:
    return Message(message.topic, message.key, message.value, message.headers, message.timestamp_ms, 0, offset)


class Rename(Transform):
    def apply(self, record: Record) -> Record:
        return record.replace(topic="renamed")


class Anew(Transform):
    """Makes a record of its own, as careless transforms do."""

    def apply(self, record: Record) -> Record:
        return Record(record.topic, record.key, record.value, record.key_schema, record.value_schema)


class Twice(Transform):
    def apply(self, record: Record) -> Iterable[Record]:
        return [record, record.replace(topic="copy")]


class Nothing(Transform):
    def apply(self, record: Record) -> None:
        return None


class Town(Transform):
    """To a topic that data names."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def apply(self, record: Record) -> Record:
        return record.replace(topic=self.names[record.key["id"]])


class Failing(Transform):
    def __init__(self, error: Exception) -> None:
        self.error = error

    def apply(self, record: Record) -> Record:
        raise self.error


class Odd(Predicate):
    def test(self, record: Record) -> bool:
        return bool(record.key["id"] % 2)


@given(st.lists(st.integers(0, 1023)))
def test_a_record_goes_to_the_log_and_comes_back_equal(numbers: list[int]) -> None:
    to_log, from_log, _ = pipes()
    messages = to_log.process(record(n, headers=(Header("trace", b"\x00\xff"),)) for n in numbers)
    back = from_log.process(on_the_log(m, offset) for offset, m in enumerate(messages))
    for offset, (n, got) in enumerate(zip(numbers, back, strict=True)):
        assert got == record(n, headers=(Header("trace", b"\x00\xff"),), partition=0, offset=offset, origin="orders")


def test_tombstones_keep_their_version() -> None:
    to_log, from_log, _ = pipes()
    [message] = to_log.process([record(1).replace(value=None, value_schema=None)])
    assert message.value is None and dict(message.headers) == {"headwater.version": str(1 << 53).encode()}
    [back] = from_log.process([on_the_log(message, 0)])
    assert back.value is None and back.version == 1 << 53


def test_a_forged_version_header_does_not_get_through() -> None:
    to_log, _, _ = pipes()
    [message] = to_log.process([record(1, headers=(Header("headwater.version", b"9"),))])
    assert message.headers == [("headwater.version", str(1 << 53).encode())]


def test_transforms_go_in_order_and_split() -> None:
    to_log, _, _ = pipes(Stage("twice", Twice()), Stage("rename", Rename()))
    assert [m.topic for m in to_log.process([record(1)])] == ["renamed", "renamed"]
    to_log, _, _ = pipes(Stage("rename", Rename()), Stage("twice", Twice()))
    assert [m.topic for m in to_log.process([record(1)])] == ["renamed", "copy"]
    assert to_log.origins == {"renamed": ["orders"], "copy": ["orders"]}


@pytest.mark.parametrize(("negate", "left"), [(False, [0, 2]), (True, [1, 3])])
def test_predicates_choose(negate: bool, left: list[int]) -> None:
    to_log, _, metrics = pipes(Stage("drop", Nothing(), Odd(), negate))
    messages = to_log.process(record(n) for n in range(4))
    assert [m.timestamp_ms for m in messages] == left
    assert metrics.records_filtered == 2


def test_version_and_place_survive_any_transform() -> None:
    to_log, _, _ = pipes()
    [message] = to_log.process([record(5)])
    _, from_log, _ = pipes(Stage("anew", Anew()))
    [back] = from_log.process([on_the_log(message, 42)])
    assert (back.version, back.partition, back.offset, back.origin) == (5 << 53, 0, 42, "orders")
    to_log, _, _ = pipes(Stage("anew", Anew()))
    [message] = to_log.process([record(5)])
    assert dict(message.headers)["headwater.version"] == str(5 << 53).encode()


@pytest.mark.parametrize("error", [DataError("bad"), KeyError("bug")])
def test_a_failing_stage_names_itself(error: Exception) -> None:
    to_log, _, _ = pipes(Stage("failing", Failing(error), Odd()))
    with pytest.raises(Fatal, match=r"record orders failed in TRANSFORMATION \(.*Failing\)"):
        to_log.process([record(0), record(1)])


def test_tolerated_failures_leave_the_others() -> None:
    to_log, _, metrics = pipes(Stage("failing", Failing(DataError("bad")), Odd()), tolerance="all")
    assert [m.timestamp_ms for m in to_log.process(record(n) for n in range(4))] == [0, 2]
    assert metrics.records_skipped == 2


def test_a_topic_that_no_log_takes_is_that_records_fault() -> None:
    town = Stage("town", Town("Oslo", "São Paulo", "", "..", "a" * 250, "Nuuk"))
    with pytest.raises(Fatal, match=r"in TRANSFORMATION \(.*Town\).* gives the topic 'São Paulo'.* make another name"):
        pipes(town)[0].process([record(1)])
    to_log, _, metrics = pipes(town, tolerance="all")
    assert [m.topic for m in to_log.process(record(n) for n in range(6))] == ["Oslo", "Nuuk"]
    assert metrics.records_skipped == 4


def test_what_cannot_be_decoded_goes_to_the_dead_letter_queue_as_it_was() -> None:
    metrics = TaskMetrics()
    sink = plan("sink", tolerance="all")
    dead: list[tuple[Message, str, str]] = []
    handler = RecordErrors(sink.errors, metrics, lambda seconds: False)

    def add(message: Message, where: Where, error: Exception) -> None:
        dead.append((message, where.stage, where.executing.rpartition(".")[2]))

    pipe = SinkPipe(sink, handler, metrics, add)
    broken = Message("orders", b"{", b"null", (), 0, 0, 3)
    forged = Message("orders", None, None, (("headwater.version", b"x1"),), 0, 0, 4)
    assert pipe.process([broken, forged]) == []
    assert dead == [(broken, "KEY_CONVERTER", "JsonConverter"), (forged, "HEADER_CONVERTER", "HeaderDecoder")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", b"text"),
        (7, b"7"),
        (True, b"true"),
        ([1, {"a": None}], b'[1,{"a":null}]'),
        (None, None),
        (b"\xff", b"\xff"),
    ],
)
def test_headers_become_the_texts_that_kafka_connect_writes(value: object, text: bytes | None) -> None:
    to_log, _, _ = pipes()
    schema = None if isinstance(value, bytes) or value is None else primitive(Type.STRING)
    [message] = to_log.process([record(1, headers=(Header("h", value, schema),))])
    assert dict(message.headers)["h"] == text


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [(b"42", 42, Type.INT8), (b"1.5", 1.5, Type.FLOAT32), (b"x", "x", Type.STRING), (b"\xff", b"\xff", Type.BYTES)],
)
def test_a_sink_reads_headers_by_the_converter_that_its_config_names(text: bytes, value: object, kind: Type) -> None:
    message = Message("orders", None, None, (("h", text), ("headwater.version", b"5")), 0, 0, 3)
    _, plain, metrics = pipes()
    assert plain.process([message])[0].headers == (Header("h", text),)
    guessing = replace(plan("sink"), header_converter=SimpleHeaderConverter())
    pipe = SinkPipe(guessing, RecordErrors(guessing.errors, metrics, lambda seconds: False), metrics)
    [made] = pipe.process([message])
    assert (made.headers, made.version) == ((Header("h", value, primitive(kind)),), 5)
