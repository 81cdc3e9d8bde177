"""The stages between a connector and the log, for one task: predicates, transforms, converters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from headwater.worker.api import VERSION_HEADER, DataError, Encoder, Record, Schema, shortened
from headwater.worker.config.plan import ConnectorPlan
from headwater.worker.config.stages import Stage
from headwater.worker.log.contract import Message
from headwater.worker.observe.metrics import TaskMetrics

from .errors import RecordErrors, Where, shown
from .headers import HeaderDecoder, HeaderEncoder

__all__ = ["SinkPipe", "SourcePipe"]

_ENCODERS = 2_000
"""Encoders that are remembered: enough for thousands of topics, and bounded where schemas never repeat."""
_TOPIC: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
"""As brokers take them."""

DeadLetter = Callable[[Message, Where, Exception], None]
SourceDeadLetter = Callable[[Record, Where, Exception], Message]


class _Stages:
    """All transforms of a connector, in order."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = tuple(stages)
        self._at_work: object = None

    @property
    def at(self) -> str:
        """The class of the stage at work, for error messages."""
        return "" if self._at_work is None else _class(self._at_work)

    def __bool__(self) -> bool:
        return bool(self._stages)

    def apply(self, record: Record, first: int = 0) -> list[Record]:
        """What becomes of one record: nothing where it is filtered, several where a transform splits it."""
        for index in range(first, len(self._stages)):
            stage = self._stages[index]
            if stage.predicate is not None:
                self._at_work = stage.predicate
                if stage.predicate.test(record) == stage.negate:
                    continue
            self._at_work = stage.transform
            result = stage.transform.apply(record)
            if result is None:
                return []
            if isinstance(result, Record):
                record = result
                continue
            return [last for part in _all(result) for last in self.apply(part, index + 1)]
        return [record]

    def close(self) -> None:
        for stage in self._stages:
            stage.transform.close()


class _Encoders:
    """A converter's encoders, one a topic and schema."""

    def __init__(self, make: Callable[[str, Schema | None], Encoder]) -> None:
        self._make = make
        self._known: dict[tuple[str, int], tuple[Encoder, Schema | None]] = {}

    def of(self, topic: str, schema: Schema | None) -> Encoder:
        # By identity: one schema object is shared by all rows of a table version. The entry keeps it alive, so that
        # its id stays its own.
        known = self._known.get((topic, id(schema)))
        if known is None:
            if len(self._known) >= _ENCODERS:
                self._known.clear()
            known = self._known[topic, id(schema)] = (self._make(topic, schema), schema)
        return known[0]


class SourcePipe:
    """Records of a source -> messages for the log. `dead_letter` makes one of what fails, where there is such a queue;
    it takes the place of the record's messages.

    `origins`: for every topic written to, the source's own topics that led there.
    """

    def __init__(
        self,
        plan: ConnectorPlan,
        errors: RecordErrors,
        metrics: TaskMetrics,
        dead_letter: SourceDeadLetter | None = None,
    ) -> None:
        self._stages = _Stages(plan.stages)
        self._errors = errors
        self._metrics = metrics
        self._dead_letter = dead_letter
        self._keys = _Encoders(plan.key_converter.encoder)
        self._values = _Encoders(plan.value_converter.encoder)
        self._headers = HeaderEncoder(plan.header_converter)
        self._converters = _converters(plan, self._headers)
        self._stage = ""
        self.origins: dict[str, list[str]] = {}

    def process(self, records: Iterable[Record]) -> list[Message]:
        """Raises `Fatal` for a record that fails where errors are not tolerated, `Interrupted` on the way out."""
        if not self._stages:
            return self._straight(records)
        messages: list[Message] = []
        for record in records:
            messages += self._careful(record)
        return messages

    def _straight(self, records: Iterable[Record]) -> list[Message]:
        """Without stages, the hot path: what is alike from one record to the next is looked up once."""
        messages: list[Message] = []
        append = messages.append
        topic: str | None = None
        key_schema = value_schema = version = None
        key_encoder: Encoder = _no_encoder
        value_encoder: Encoder = _no_encoder
        headers: tuple[tuple[str, bytes], ...] = ()
        for record in records:
            if record.headers:
                messages += self._careful(record)
                continue
            try:
                if (
                    record.topic != topic
                    or record.key_schema is not key_schema
                    or record.value_schema is not value_schema
                ):
                    key_encoder = self._keys.of(record.topic, record.key_schema)
                    value_encoder = self._values.of(record.topic, record.value_schema)
                    topic, key_schema, value_schema = record.topic, record.key_schema, record.value_schema
                    self._led(topic, topic)
                key, value = key_encoder(record.key), value_encoder(record.value)
            except Exception:  # once more, with an eye on which stage it is
                topic = None
                messages += self._careful(record)
                continue
            if record.version != version:
                version = record.version
                headers = () if version is None else ((VERSION_HEADER, b"%d" % version),)
            append(Message(record.topic, key, value, headers, record.timestamp_ms, record.partition))
        return messages

    def _careful(self, record: Record) -> list[Message]:
        try:
            return self._one(record)
        except Exception as error:  # plugins may raise anything; the connector's error policy decides
            return self._failed(record, error)

    def _one(self, record: Record) -> list[Message]:
        if not self._stages:
            return [self._message(record, record)]
        self._stage = "TRANSFORMATION"
        results = self._stages.apply(record)
        if not results:
            self._metrics.records_filtered += 1
        return [self._message(result, record) for result in results]

    def _message(self, record: Record, original: Record) -> Message:
        topic = record.topic
        if topic != original.topic and topic not in self.origins and not _TOPIC.fullmatch(topic):
            self._stage = "TRANSFORMATION"
            raise DataError(  # of this record: the log would refuse all that come after it as well
                f"{original.where()}: a transform gives the topic {shortened(repr(topic), 80)}, and names are "
                "1 to 249 of a-z, A-Z, 0-9, '.', '_', '-': make another name of it where the topic is computed"
            )
        self._stage = "KEY_CONVERTER"
        key = self._keys.of(topic, record.key_schema)(record.key)
        self._stage = "VALUE_CONVERTER"
        value = self._values.of(topic, record.value_schema)(record.value)
        headers: list[tuple[str, bytes | None]] = []
        if record.headers:
            self._stage = "HEADER_CONVERTER"
            headers = self._headers.encode(topic, record.headers)
        if original.version is not None:
            headers.append((VERSION_HEADER, b"%d" % original.version))
        self._led(original.topic, topic)
        return Message(topic, key, value, headers, record.timestamp_ms, record.partition)

    def _led(self, own: str, topic: str) -> None:
        """Remember that the source's topic `own` leads to `topic`."""
        origins = self.origins.get(topic)
        if origins is None:
            self.origins[topic] = [own]
        elif own not in origins:
            origins.append(own)

    def _failed(self, record: Record, error: Exception) -> list[Message]:
        def where() -> Where:
            content = f"key {shown(record.key)}, value {shown(record.value)}"
            return Where(self._stage, self._converters.get(self._stage, self._stages.at), record.where(), content)

        queue = self._dead_letter
        try:
            return self._errors.again(lambda: self._one(record), error, where)
        except Exception as final:
            letters: list[Message] = []
            add = None if queue is None else lambda at, why: letters.append(queue(record, at, why))
            self._errors.failed(final, where(), add)
            return letters

    def close(self) -> None:
        self._stages.close()


class SinkPipe:
    """Messages of the log -> records for a sink. `dead_letter` takes what fails, where there is such a queue."""

    def __init__(
        self, plan: ConnectorPlan, errors: RecordErrors, metrics: TaskMetrics, dead_letter: DeadLetter | None = None
    ) -> None:
        self._stages = _Stages(plan.stages)
        self._errors = errors
        self._metrics = metrics
        self._decode_key = plan.key_converter.decode
        self._decode_value = plan.value_converter.decode
        self._headers = HeaderDecoder(plan.header_converter)
        self._converters = _converters(plan, self._headers)
        self._dead_letter = dead_letter
        self._stage = ""

    def process(self, messages: Iterable[Message]) -> list[Record]:
        """Raises `Fatal` for a message that fails where errors are not tolerated, `Interrupted` on the way out."""
        records: list[Record] = []
        for message in messages:
            try:
                made = self._one(message)
            except Exception as error:  # plugins may raise anything; the connector's error policy decides
                made = self._failed(message, error)
            records += made
        return records

    def _one(self, message: Message) -> list[Record]:
        topic = message.topic
        self._stage = "HEADER_CONVERTER"
        version, headers = self._headers.decode(topic, message.headers) if message.headers else (None, ())  # type: ignore[arg-type]
        self._stage = "KEY_CONVERTER"
        key_schema, key = self._decode_key(topic, message.key)
        self._stage = "VALUE_CONVERTER"
        value_schema, value = self._decode_value(topic, message.value)
        record = Record(topic, key, value, key_schema, value_schema, headers, message.timestamp_ms, version,
                        message.partition, message.offset, topic)  # fmt: skip
        if not self._stages:
            return [record]
        self._stage = "TRANSFORMATION"
        results = [self._kept(result, record) for result in self._stages.apply(record)]
        if not results:
            self._metrics.records_filtered += 1
        return results

    def _kept(self, result: Record, record: Record) -> Record:
        """Whatever a transform made: version, place on the log and origin stay those of the record it got."""
        if result is record:
            return record
        version, partition, offset, origin = record.version, record.partition, record.offset, record.origin
        if (
            result.version == version
            and result.partition == partition
            and result.offset == offset
            and result.origin == origin
        ):
            return result
        return result.replace(version=version, partition=partition, offset=offset, origin=origin)

    def _failed(self, message: Message, error: Exception) -> list[Record]:
        subject = f"{message.topic}-{message.partition}@{message.offset}"

        def where() -> Where:
            content = f"key {message.key!r}, value {message.value!r}"
            return Where(self._stage, self._converters.get(self._stage, self._stages.at), subject, content)

        queue = self._dead_letter
        try:
            return self._errors.again(lambda: self._one(message), error, where)
        except Exception as final:
            self._errors.failed(final, where(), None if queue is None else lambda w, e: queue(message, w, e))
            return []

    def close(self) -> None:
        self._stages.close()


def _no_encoder(value: object) -> bytes | None:
    raise AssertionError("no record has chosen an encoder yet")


def _all(result: Iterable[Record]) -> list[Record]:
    return list(result)


def _converters(plan: ConnectorPlan, headers: HeaderDecoder | HeaderEncoder) -> dict[str, str]:
    """The class at work in the stages that are not transforms; `headers`: what reads or writes them."""
    return {
        "KEY_CONVERTER": _class(plan.key_converter),
        "VALUE_CONVERTER": _class(plan.value_converter),
        "HEADER_CONVERTER": _class(plan.header_converter or headers),
    }


def _class(instance: object) -> str:
    return f"{type(instance).__module__}.{type(instance).__qualname__}"
