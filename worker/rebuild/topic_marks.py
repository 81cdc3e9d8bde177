"""What is known of each topic: which connector filled it, and whether it holds a complete snapshot."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import orjson

from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Log
from headwater.worker.runtime.internal_topics import InternalTopics, json_key_parts


@dataclass(frozen=True, slots=True)
class CompleteMark:
    """The topic holds a complete snapshot as of `version`, written by `connector`."""

    version: int
    connector: str


def complete_marks(log: Log, topics: InternalTopics) -> dict[str, CompleteMark]:
    """Marks by topic. Source of the format: `runtime.marks`."""
    if not log.topics([topics.topics]):
        return {}
    found: dict[str, CompleteMark] = {}
    with closing(CompactedDict(log, topics.topics)) as stored:
        stored.refresh()
        for key, value in stored.items():
            match json_key_parts(key):
                case ("complete", topic):
                    document = orjson.loads(value)
                    found[topic] = CompleteMark(document["version"], document["connector"])
    return found
