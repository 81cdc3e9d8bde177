"""The dead letter queue of a sink: records that failed, as they lay on the log, and why. See `letter`.

Source of the header names: Kafka Connect 4.3, DeadLetterQueueReporter.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from headwater.worker.api import Fatal, TopicPartition, shortened
from headwater.worker.config.plan import ErrorPolicy
from headwater.worker.log.contract import Log, Message, MessageRefused
from headwater.worker.log.new_topic import make_topic

from .errors import Where, text_of
from .letter import MARK, REASON, Place, mark
from .task_spec import TaskSpec

__all__ = ["DeadLetters", "make_queue", "reason_headers"]

_LONGEST: Final = 20_000
"""Characters of a message or a trace, which may quote the whole record: the queue must take both."""
_ROOM: Final = 64 * 1024
"""Bytes that a dead letter may be larger than its record."""
_REVEALED: Final = frozenset({"TRANSFORMATION", "TASK_PUT"})
"""Stages whose errors may quote what a transform has made readable."""
_SIZE: Final = "max.message.bytes"


def make_queue(
    log: Log, policy: ErrorPolicy, topics: Iterable[str] | re.Pattern[str], least_bytes: int | None = None
) -> None:
    """The queue's topic where it is missing, able to take what lies in `topics`, the connector's own (a pattern: those
    that are there now), and records of `least_bytes`."""
    assert policy.dlq_topic is not None
    if log.topics([policy.dlq_topic]):
        return
    # A dead letter has its record's timestamp, by which it could be too old at once, or too far ahead.
    config = {"retention.ms": "-1", "message.timestamp.after.max.ms": str(2**63 - 1)}
    if isinstance(topics, re.Pattern):
        infos = [info for name, info in log.topics().items() if topics.fullmatch(name)]
    else:
        infos = list(log.topics(list(topics)).values())
    sizes = [int(info.config[_SIZE]) for info in infos if _SIZE in info.config]
    if least_bytes is not None:
        sizes.append(least_bytes)
    if sizes:
        config[_SIZE] = str(min(2**31 - 1, max(sizes) + _ROOM))
    config["replication.factor"] = str(policy.dlq_replication_factor)
    make_topic(log, policy.dlq_topic, 1, config)


def reason_headers(
    connector: str, task: int, where: Where, error: Exception, redact: Callable[[str], str], longest: int = _LONGEST
) -> list[tuple[str, bytes | None]]:
    """Why a record failed. Kafka Connect puts the record's place before it, where it has one."""
    trace = "".join(traceback.format_exception(error))
    values = {
        "connector.name": connector,
        "task.id": str(task),
        "stage": where.stage,
        "class.name": where.executing,
        "exception.class.name": f"{type(error).__module__}.{type(error).__qualname__}",
        "exception.message": shortened(redact(text_of(error)), longest),
        "exception.stacktrace": shortened(redact(trace), longest),
    }
    return [(REASON + name, value.encode("utf-8", "replace")) for name, value in values.items()]


class DeadLetters:
    """Belongs to the thread of one sink task. `flush` before the offsets of its records are stored.

    `topic_ids`: of the partitions that are the task's. `attempts`: by place, of what is put through the pipe again.
    `reveals`: a transform does, so what later errors say stays out of the queue.
    """

    def __init__(
        self,
        log: Log,
        policy: ErrorPolicy,
        spec: TaskSpec,
        topics: Iterable[str] | re.Pattern[str],
        topic_ids: Mapping[TopicPartition, str],
        redact: Callable[[str], str],
        reveals: bool = False,
    ) -> None:
        assert policy.dlq_topic is not None
        self._reveals = reveals
        self._topic = policy.dlq_topic
        self._context = policy.dlq_context_headers
        self._spec = spec
        self._topic_ids = topic_ids
        self._redact = redact
        self._unflushed = False
        make_queue(log, policy, topics)
        self._producer = log.producer()
        self.attempts: Mapping[Place, int] = {}
        self.added: set[Place] | None = None
        """Where it is a set: the places of what was added since."""

    def add(self, original: Message, where: Where, error: Exception) -> None:
        """Send the original bytes with the headers that it had, and the context of the failure where asked for."""
        try:
            self._producer.send([self._letter(original, where, error, _LONGEST)])
        except MessageRefused:
            try:
                self._producer.send([self._letter(original, where, error, 200)])  # its own bytes matter most
            except MessageRefused as refusal:
                raise Fatal(
                    f"the record {where.subject} failed in {where.stage}, and the dead letter queue {self._topic} "
                    f"cannot take it: {refusal}. The task stops; nothing is skipped. Raise that topic's {_SIZE}"
                ) from error
        self._unflushed = True
        if self.added is not None:
            self.added.add(Place(original.topic, original.partition or 0, original.offset))

    def _letter(self, original: Message, where: Where, error: Exception, longest: int) -> Message:
        place = Place(original.topic, original.partition or 0, original.offset)
        spec, topic_id = self._spec, self._topic_ids.get(TopicPartition(place.topic, place.partition), "")
        said = mark(
            spec.connector, spec.task, spec.generation, self.attempts.get(place, 0) + 1,
            **place._asdict(), topic_id=topic_id,
        )  # fmt: skip
        headers = [*original.headers, (MARK, said)]
        if self._context:
            headers += [(REASON + name, str(value).encode()) for name, value in place._asdict().items()]
            redact = _left_out if self._reveals and where.stage in _REVEALED else self._redact
            headers += reason_headers(spec.connector, spec.task, where, error, redact, longest)
        return Message(self._topic, original.key, original.value, headers, original.timestamp_ms)

    def flush(self) -> None:
        """Durable when it returns. Raises `LogError`."""
        if self._unflushed:
            self._producer.flush()
            self._unflushed = False

    def close(self) -> None:
        self._producer.close()


def _left_out(_: str) -> str:
    return (
        "left out of the queue, since the connector decrypts what it reads and this may quote it; "
        "errors.log.enable writes it into the worker's log"
    )
