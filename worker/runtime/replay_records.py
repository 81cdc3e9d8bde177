"""What the log says of replays of dead letters: what a user asks for, and how far the tasks have come.

Format 1, on the compacted topic `headwater-views` (JSON keys and values, UTF-8, no spaces in keys):

* `["replay",CONNECTOR]`: `{"format":1,"id","queue","topic_id","until":{PARTITION:OFFSET},"asked_ms"}`: put what lies in
  the queue before these offsets through the connector again. A later request takes the place of an earlier one.
* `["replayed",CONNECTOR,GENERATION,TOPIC,PARTITION]`, all texts: `{"format":1,"topic_id","next":{PARTITION:OFFSET},
  "counts":{…},"error","request","pending"}`: the letters of this partition before these offsets of the queue are dealt
  with. Written by the task that has the partition. `pending`: the same, of a step that is being made durable.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import orjson

from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import TopicInfo

from .internal_topics import json_key, json_key_parts

__all__ = ["COUNTS", "Done", "Request", "done_key", "dones", "dump_done", "new_request", "request_key", "request_of"]

FORMAT: Final = 1
COUNTS: Final = ("replayed", "superseded", "failed", "later")
"""What became of letters. `failed`: lies in the queue anew. `later`: the connector has yet to come there by itself."""


@dataclass(frozen=True, slots=True)
class Request:
    """`topic_id`: of the queue, which may be made anew under its name. `until`: by partition of the queue."""

    id: str
    queue: str
    topic_id: str
    until: Mapping[int, int]
    asked_ms: int


@dataclass(frozen=True, slots=True)
class Done:
    """How far the letters of one partition are dealt with. `next`: by partition of the queue. `error`: why the replay
    of `request` was given up; "": it was not."""

    topic_id: str = ""
    next: Mapping[int, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    error: str = ""
    request: str = ""
    pending: Done | None = None


def request_key(connector: str) -> bytes:
    return json_key("replay", connector)


def done_key(connector: str, generation: int, topic: str, partition: int) -> bytes:
    return json_key("replayed", connector, str(generation), topic, str(partition))


def new_request(queue: TopicInfo, until: Mapping[int, int]) -> tuple[Request, bytes]:
    """With its value for the log."""
    request = Request(secrets.token_hex(8), queue.name, queue.topic_id, dict(until), time.time_ns() // 1_000_000)
    document = asdict(request) | {"format": FORMAT, "until": _named(until)}
    return request, orjson.dumps(document)


def request_of(stored: CompactedDict, connector: str) -> Request | None:
    said = _said(stored.get(request_key(connector)))
    if said is None:
        return None
    return Request(said["id"], said["queue"], said["topic_id"], _numbered(said["until"]), said["asked_ms"])


def dump_done(done: Done) -> bytes:
    return orjson.dumps(_document(done) | {"format": FORMAT})


def dones(stored: CompactedDict, connector: str) -> dict[tuple[int, str, int], Done]:
    """By generation, topic and partition."""
    found: dict[tuple[int, str, int], Done] = {}
    for key, value in stored.items():
        match json_key_parts(key):
            case ("replayed", name, generation, topic, partition) if name == connector:
                said = _said(value)
                if said is not None:
                    found[int(generation), topic, int(partition)] = _done(said)
    return found


def _document(done: Done) -> dict[str, Any]:
    return {
        "topic_id": done.topic_id,
        "next": _named(done.next),
        "counts": dict(done.counts),
        "error": done.error,
        "request": done.request,
        "pending": None if done.pending is None else _document(done.pending),
    }


def _done(said: Mapping[str, Any]) -> Done:
    pending = said["pending"]
    return Done(
        said["topic_id"],
        _numbered(said["next"]),
        said["counts"],
        said["error"],
        said["request"],
        None if pending is None else _done(pending),
    )


def _said(value: bytes | None) -> dict[str, Any] | None:
    """None of a newer Headwater's record, too."""
    said = None if value is None else orjson.loads(value)
    return said if isinstance(said, dict) and said.get("format") == FORMAT else None


def _named(offsets: Mapping[int, int]) -> dict[str, int]:
    return {str(number): offset for number, offset in offsets.items()}


def _numbered(offsets: Mapping[str, int]) -> dict[int, int]:
    return {int(number): offset for number, offset in offsets.items()}
