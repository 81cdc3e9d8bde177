"""The dead letters of a source. Kafka Connect has none: what a source cannot handle is gone there.

They go to the queue in the transaction of the records that came with them, so that a position never passes a record
that is in neither place. A record that never became bytes is held as `record_json`; a message that its topic refused as
the bytes that it had become.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from headwater.worker.api import Record, shortened
from headwater.worker.config.plan import ErrorPolicy
from headwater.worker.log.contract import Message

from .dead_letters import reason_headers
from .errors import Where
from .letter import MARK, REASON, Letter, mark
from .record_json import dump_record

__all__ = ["SourceLetters", "first_ms"]

_SHORT: Final = 200


class SourceLetters:
    """Makes the messages. Any thread may call it."""

    def __init__(self, policy: ErrorPolicy, connector: str, task: int, redact: Callable[[str], str]) -> None:
        assert policy.dlq_topic is not None
        self.topic = policy.dlq_topic
        self._context = policy.dlq_context_headers
        self._connector = connector
        self._task = task
        self.redact = redact
        self.trying: Letter | None = None
        """What is put through the pipe just now, where that is a letter."""
        self.tried: Mapping[int, Letter] = {}
        """By `id` of the message, what letters have become and their topics have yet to take."""
        self.refused = 0
        """Messages that their topics have refused so far."""

    def record(self, record: Record, where: Where, error: Exception) -> Message:
        """It failed in a transform or a converter."""
        return self._letter("record", None, dump_record(record), (), where, error, self.trying)

    def again(self, letter: Letter, where: Where | None = None, error: Exception | None = None) -> Message:
        """The same letter at the end of the queue, with another reason where there is one."""
        about = _meant_for(letter.record) if letter.kind in ("message", "cut") else {}
        about["first_ms"] = first_ms(letter)
        said = mark(self._connector, letter.task, 1, letter.attempt + 1, kind=letter.kind, **about)
        reason: list[tuple[str, bytes | None]] = [(REASON + n, text.encode()) for n, text in letter.reason.items()]
        if where is not None and error is not None and self._context:
            reason = reason_headers(self._connector, letter.task, where, error, self.redact)
        record = letter.record
        return Message(
            self.topic, record.key, record.value, [*record.headers, (MARK, said), *reason], record.timestamp_ms
        )

    def unread(self, record: Record, where: Where, error: Exception) -> Message:
        """The connector could not read it; `record` is what it knows of it."""
        return self._letter("unread", None, dump_record(record), (), where, error, None)

    def message(self, message: Message, where: Where, error: Exception) -> Message:
        """Its topic has refused it."""
        self.refused += 1
        about = _meant_for(message) | {"size": len(message.value or b"")}
        before = self.tried.get(id(message))
        letter = self._letter(
            "message", message.key, message.value, tuple(message.headers), where, error, before, **about
        )
        letter.timestamp_ms = message.timestamp_ms
        return letter

    def shorter(self, letter: Message) -> Message | None:
        """Of a letter that the queue has refused: with the beginning and the end of why it failed. None of one that is
        as short as that."""
        said = max((n for n, (name, _) in enumerate(letter.headers) if name == MARK), default=-1)
        headers = [(name, value if n <= said else _shorter(value)) for n, (name, value) in enumerate(letter.headers)]
        if headers == list(letter.headers):
            return None
        return Message(letter.topic, letter.key, letter.value, headers, letter.timestamp_ms)

    def cut(self, letter: Message) -> Message | None:
        """Of a `message` that the queue has refused as well: the letter without its value. None of any other letter."""
        headers = [(name, _cut(value)) if name == MARK else (name, value) for name, value in letter.headers]
        if letter.value is None or headers == list(letter.headers):
            return None
        return Message(letter.topic, letter.key, None, headers, letter.timestamp_ms)

    def _letter(
        self,
        kind: str,
        key: bytes | None,
        value: bytes | None,
        headers: tuple[tuple[str, bytes | None], ...],
        where: Where,
        error: Exception,
        before: Letter | None,
        **about: Any,
    ) -> Message:
        """`before`: what has failed once more."""
        attempt = 1 if before is None else before.attempt + 1
        about["first_ms"] = time.time_ns() // 1_000_000 if before is None else first_ms(before)
        said = mark(self._connector, self._task, 1, attempt, kind=kind, **about)
        reason = reason_headers(self._connector, self._task, where, error, self.redact) if self._context else []
        return Message(self.topic, key, value, [*headers, (MARK, said), *reason])


def _meant_for(message: Message) -> dict[str, Any]:
    return {"for": message.topic} | ({} if message.partition is None else {"to": message.partition})


def first_ms(letter: Letter) -> int | None:
    """Letters of an earlier Headwater do not say it: theirs is when they were written, or the record's own time."""
    return letter.record.timestamp_ms if letter.first_ms is None else letter.first_ms


def _shorter(value: bytes | None) -> bytes | None:
    text = (value or b"").decode("utf-8", "replace")
    return shortened(text, _SHORT).encode() if len(text) > 2 * _SHORT else value


def _cut(said: bytes | None) -> bytes | None:
    mark = orjson.loads(said or b"{}")
    return orjson.dumps(mark | {"kind": "cut"}) if mark.get("kind") == "message" else said
