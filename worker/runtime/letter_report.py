"""What lies in a connector's dead letter queue: how much of it still waits, why it failed, what became of the rest."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any, Final

import orjson

from headwater.worker.api import HeadwaterError, TopicPartition, shortened
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Log

from .letter import Letter, Place
from .letter_queue import letters
from .replay_records import COUNTS, Done, Request, dones, new_request, request_key, request_of

__all__ = ["NoQueue", "ask_for_replay", "report"]

SHOWN: Final = 300
"""Characters of a key, value or message in a report."""
MESSAGE_SHOWN: Final = 2_000
LONGEST_S: Final = 60.0
CAUSES: Final = 100


class NoQueue(HeadwaterError):
    """The connector has no dead letter queue."""


_Cause = tuple[str, str, str]
"""Stage, class, exception."""


def report(
    the_log: Log,
    views_topic: str,
    connector: str,
    generation: int,
    queue: str,
    most: int,
    redact: Callable[[str], str],
) -> dict[str, Any]:
    """The letters of a connector's live generation; the latest `most` of those that wait are shown one by one.

    `asked_for`: how many the last replay has yet to deal with. Reads the queue from its beginning,
    for a minute at most: `whole` then says that something was left out.
    """
    info = the_log.topics([queue]).get(queue)
    with closing(CompactedDict(the_log, views_topic)) as stored:
        stored.refresh()
        done = {(topic, n): d for (g, topic, n), d in dones(stored, connector).items() if g == generation}
        request = request_of(stored, connector)
    topic_id = "" if info is None else info.topic_id
    done = {place: d for place, d in done.items() if d.topic_id == topic_id}
    asked = request if request is not None and request.topic_id == topic_id else None
    found = _Found(done, {} if asked is None else asked.until, most, redact)
    whole = True
    if info is not None:
        partitions = [TopicPartition(queue, number) for number in range(info.partitions)]
        ends = {tp.partition: at for tp, at in the_log.end_offsets(partitions).items()}
        deadline = time.monotonic() + LONGEST_S
        for letter in letters(the_log, queue, dict.fromkeys(ends, 0), ends):
            found.look(letter, connector, generation)
            if time.monotonic() > deadline:
                whole = False
                break
    return {
        "connector": connector,
        "queue": queue,
        "generation": generation,
        "waiting": len(found.waiting),
        "asked_for": found.asked_for,
        "of_earlier_generations": found.earlier,
        "of_others": found.others,
        "whole": whole,
        "causes": _causes(found),
        "letters": list(found.shown.values())[::-1],
        **_sums(done.values()),
        "last_replay": None if asked is None else asdict(asked),
    }


class _Found:
    """`waiting`: by place the newest letter's cause, of what no replay has dealt with. `messages`: of each cause the
    latest letter's, as it stands there."""

    def __init__(
        self,
        done: Mapping[tuple[str, int], Done],
        until: Mapping[int, int],
        most: int,
        redact: Callable[[str], str],
    ) -> None:
        self._done = done
        self._until = until
        self._most = most
        self._redact = redact
        self.waiting: dict[Place, _Cause] = {}
        self.messages: dict[_Cause, str] = {}
        self._causes: dict[_Cause, _Cause] = {}
        self.shown: dict[Place, dict[str, Any]] = {}
        self.earlier = self.others = self.asked_for = 0

    def look(self, letter: Letter, connector: str, generation: int) -> None:
        if letter.connector != connector:
            self.others += 1
            return
        if letter.generation != generation:
            self.earlier += 1
            return
        place = letter.place or Place(str(letter.task), *letter.at)  # as `source_replay` counts them
        self.waiting.pop(place, None)
        self.shown.pop(place, None)
        number, offset = letter.at
        done = self._done.get((place.topic, place.partition))
        if done is not None and offset < done.next.get(number, 0):
            return
        self.asked_for += offset < self._until.get(number, 0)
        reason = letter.reason
        cause = reason.get("stage", ""), reason.get("class.name", ""), reason.get("exception.class.name", "")
        cause = self._causes.setdefault(cause, cause)  # one object for all of them
        self.messages[cause] = reason.get("exception.message", "")
        self.waiting[place] = cause
        if not self._most:
            return
        self.shown[place] = self._document(letter)
        if len(self.shown) > self._most:
            del self.shown[next(iter(self.shown))]

    def _document(self, letter: Letter) -> dict[str, Any]:
        reason = letter.reason
        return {
            "record": str(letter.place) if letter.place else None,
            "queue": {"partition": letter.at[0], "offset": letter.at[1]},
            "task": letter.task,
            "attempt": letter.attempt,
            "timestamp_ms": letter.record.timestamp_ms,
            "stage": reason.get("stage"),
            "class": reason.get("class.name"),
            "exception": reason.get("exception.class.name"),
            "message": self.said(reason.get("exception.message", "")),
            **self._contents(letter),
        }

    def said(self, message: str) -> str:
        return shortened(self._redact(message), MESSAGE_SHOWN)

    def _contents(self, letter: Letter) -> dict[str, Any]:
        record = letter.record
        if letter.kind in ("record", "unread") and record.value is not None:
            said = orjson.loads(record.value)
            texts = {part: self._text(orjson.dumps(said[part])) for part in ("key", "value")}
            headers = {str(name): self._text(orjson.dumps(value)) for name, value, _ in said.get("headers", ())}
            return {"topic": said["topic"], **texts, "headers": headers}
        headers = {name: self._text(value) for name, value in record.headers}
        return {"topic": record.topic, "key": self._text(record.key), "value": self._text(record.value),
                "headers": headers}  # fmt: skip

    def _text(self, data: bytes | None) -> str | None:
        return None if data is None else shortened(self._redact(data.decode("utf-8", "backslashreplace")), SHOWN)


def _causes(found: _Found) -> list[dict[str, Any]]:
    """What failed and how often, the most frequent first; with the message of the latest."""
    ordered = Counter(found.waiting.values()).most_common(CAUSES)
    names = ("stage", "class", "exception")
    return [
        dict(zip(names, cause, strict=True)) | {"count": n, "message": found.said(found.messages[cause])}
        for cause, n in ordered
    ]


def _sums(done: Iterable[Done]) -> dict[str, Any]:
    counts = dict.fromkeys(COUNTS, 0)
    errors = set()
    for one in done:
        for name in COUNTS:
            counts[name] += one.counts.get(name, 0)
        if one.error:
            errors.add((one.request, one.error))
    return {"replays": counts, "given_up": [{"id": i, "error": e} for i, e in sorted(errors)]}


def ask_for_replay(the_log: Log, views_topic: str, connector: str, queue: str) -> Request:
    """Let the connector's tasks put through the pipe once more what lies in the queue now. Raises `NoQueue`."""
    info = the_log.topics([queue]).get(queue)
    if info is None:
        raise NoQueue(f"the dead letter queue {queue} of {connector} is not there yet: nothing has failed so far")
    partitions = [TopicPartition(queue, number) for number in range(info.partitions)]
    until = {tp.partition: offset for tp, offset in the_log.end_offsets(partitions).items()}
    request, value = new_request(info, until)
    with closing(CompactedDict(the_log, views_topic)) as stored:
        stored.put(request_key(connector), value)
    return request
