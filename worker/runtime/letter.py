"""One dead letter as it lies in a dead letter queue: the record as it was, and behind its headers why it failed.

A sink's letter is the bytes of the log. The headers behind the mark are ours: the mark itself, JSON with a `format`
number, says where the record stood; `__connect.errors.*`, where asked for, why it failed. Letters that Kafka Connect
has written have no mark, and are told by the latter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import orjson

from headwater.worker.log.contract import Message

__all__ = ["MARK", "REASON", "Letter", "Place", "letter_of", "mark"]

MARK: Final = "headwater.dead.letter"
REASON: Final = "__connect.errors."
"""Prefix of the headers that say why. Source: Kafka Connect 4.3, DeadLetterQueueReporter."""
FORMAT: Final = 1


class Place(NamedTuple):
    """Where a record stood: two letters of one place are the same letter, of which the later one counts."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """`attempt`: 1 where it failed for the first time. `place` None: a source's, which has no place on the log.

    `topic_id`: of the topic that it was read from; "" where that is not known. `record`: as it was before it failed,
    with its own headers alone. `at`: the partition and offset of the queue. `reason`: by the names that Kafka Connect
    gives its headers, without their prefix. `kind`: "" of a sink's; of a source's what `record` holds, see
    `source_letters`: `record` and `unread`: its value is `record_json`, `message`: the message, for the topic
    that has refused it, with its partition where it had one; `cut`: that without its value. `first_ms`: of a source's,
    when it failed for the first time; milliseconds since 1970, None where that is not known.
    """

    connector: str
    generation: int
    task: int
    attempt: int
    place: Place | None
    topic_id: str
    record: Message
    at: tuple[int, int]
    reason: Mapping[str, str]
    kind: str = ""
    first_ms: int | None = None


def mark(connector: str, task: int, generation: int, attempt: int, **place: Any) -> bytes:
    """The header's value. `place`: of a sink's letter `topic`, `partition`, `offset` and `topic_id`."""
    who = {"format": FORMAT, "connector": connector, "task": task, "generation": generation, "attempt": attempt}
    return orjson.dumps({**who, **place})


def letter_of(message: Message) -> Letter | None:
    """None where the message is no dead letter, or one of a Headwater that is newer than this one."""
    headers = list(message.headers)
    at = _last(headers, MARK)
    if at is not None:
        return _marked(message, headers, at)
    at = _last(headers, REASON + "topic")
    return None if at is None else _of_kafka_connect(message, headers, at)


def _marked(message: Message, headers: list[tuple[str, bytes | None]], at: int) -> Letter | None:
    try:
        said = orjson.loads(headers[at][1] or b"")
        if said["format"] != FORMAT:
            return None
        place = Place(said["topic"], said["partition"], said["offset"]) if "offset" in said else None
        who = said["connector"], said["generation"], said["task"], said["attempt"]
        letter = _letter(message, headers, at, who, place, said.get("topic_id", ""), headers[at + 1 :])
        if "kind" not in said:
            return letter
        letter.record.topic = said.get("for", message.topic)
        letter.record.partition = said.get("to")
        return replace(letter, kind=said["kind"], first_ms=said.get("first_ms"))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _of_kafka_connect(message: Message, headers: list[tuple[str, bytes | None]], at: int) -> Letter | None:
    said = _texts(headers[at:])
    try:
        place = Place(said["topic"], int(said["partition"]), int(said["offset"]))
        return _letter(
            message, headers, at, (said["connector.name"], 1, int(said["task.id"]), 1), place, "", headers[at:]
        )
    except (KeyError, ValueError):
        return None


def _letter(
    message: Message,
    headers: list[tuple[str, bytes | None]],
    at: int,
    who: tuple[str, int, int, int],
    place: Place | None,
    topic_id: str,
    reason: Sequence[tuple[str, bytes | None]],
) -> Letter:
    topic, partition, offset = (message.topic, None, -1) if place is None else place
    own = tuple(headers[:at])
    record = Message(topic, message.key, message.value, own, message.timestamp_ms, partition, offset)
    return Letter(*who, place, topic_id, record, (message.partition or 0, message.offset), _texts(reason))


def _texts(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    return {
        name.removeprefix(REASON): (value or b"").decode("utf-8", "replace")
        for name, value in headers
        if name.startswith(REASON)
    }


def _last(headers: Sequence[tuple[str, bytes | None]], name: str) -> int | None:
    return next((i for i in range(len(headers) - 1, -1, -1) if headers[i][0] == name), None)
