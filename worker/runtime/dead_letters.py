"""The dead letter queue of a sink: records that failed, as they lay on the log, and why.

Source of the header names: Kafka Connect 4.3, DeadLetterQueueReporter.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable

from headwater.worker.api import shortened
from headwater.worker.config.plan import ErrorPolicy
from headwater.worker.log.contract import Log, Message
from headwater.worker.log.new_topic import make_topic

from .errors import Where, text_of

__all__ = ["DeadLetters"]

_PREFIX = "__connect.errors."
_LONGEST = 20_000
"""Characters of a message or a trace, which may quote the whole record: the queue must take both."""


class DeadLetters:
    """Belongs to the thread of one sink task. `flush` before the offsets of its records are stored."""

    def __init__(self, log: Log, policy: ErrorPolicy, connector: str, task: int, redact: Callable[[str], str]) -> None:
        assert policy.dlq_topic is not None
        self._topic = policy.dlq_topic
        self._context = policy.dlq_context_headers
        self._connector = connector
        self._task = task
        self._redact = redact
        self._unflushed = False
        if not log.topics([self._topic]):
            # A dead letter has its record's timestamp, by which it could be too old at once, or too far ahead.
            config = {"retention.ms": "-1", "message.timestamp.after.max.ms": str(2**63 - 1)}
            make_topic(log, self._topic, 1, config | {"replication.factor": str(policy.dlq_replication_factor)})
        self._producer = log.producer()

    def add(self, original: Message, where: Where, error: Exception) -> None:
        """Send the original bytes with the headers that it had, and the context of the failure where asked for."""
        headers = [*original.headers, *(self._why(original, where, error) if self._context else ())]
        message = Message(self._topic, original.key, original.value, headers, original.timestamp_ms)
        self._producer.send([message])
        self._unflushed = True

    def _why(self, original: Message, where: Where, error: Exception) -> list[tuple[str, bytes | None]]:
        trace = "".join(traceback.format_exception(error))
        values = {
            "topic": original.topic,
            "partition": str(original.partition),
            "offset": str(original.offset),
            "connector.name": self._connector,
            "task.id": str(self._task),
            "stage": where.stage,
            "class.name": where.executing,
            "exception.class.name": f"{type(error).__module__}.{type(error).__qualname__}",
            "exception.message": shortened(self._redact(text_of(error)), _LONGEST),
            "exception.stacktrace": shortened(self._redact(trace), _LONGEST),
        }
        return [(_PREFIX + name, value.encode("utf-8", "replace")) for name, value in values.items()]

    def flush(self) -> None:
        """Durable when it returns. Raises `LogError`."""
        if self._unflushed:
            self._producer.flush()
            self._unflushed = False

    def close(self) -> None:
        self._producer.close()
