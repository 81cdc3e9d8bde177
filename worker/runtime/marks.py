"""Marks that say which topics hold a complete snapshot, written in the transaction of the batch that makes it so.

Compacted topic `headwater-topics`: key `["complete",TOPIC]`, value `{"format":1,"version":V,"connector":NAME}`; null
while a new snapshot is under way. A rebuild asks for the mark: that a topic begins at offset 0 proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from headwater.worker.api import Batch
from headwater.worker.log.contract import Message

from .internal_topics import json_key

__all__ = ["Marks"]


class Marks:
    """Translates a source's topic names into those that transforms lead to.

    Where several of the source's topics meet in one, that one is complete once all that led there in this process
    are; its version is the lowest of theirs.
    """

    def __init__(self, topic: str, connector: str) -> None:
        self._topic = topic
        self._connector = connector
        self._complete: dict[str, int] = {}

    def targets(self, batch: Batch, origins: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """Topics that have to be there for this batch's marks: an empty table's topic is made as well."""
        return {name: origins.get(name, [own]) for own in batch.complete for name in _routes(own, origins)}

    def messages(self, batch: Batch, origins: Mapping[str, list[str]]) -> list[Message]:
        """`origins`: topic on the log -> the source's names that lead there, as far as records have shown."""
        found: dict[bytes, Message] = {}
        for own in batch.restarted:
            self._complete.pop(own, None)
            for name in _routes(own, origins):
                self._put(found, name, None)
        self._complete.update(batch.complete)
        for own in batch.complete:
            for name in _routes(own, origins):
                versions = [self._complete.get(other) for other in origins.get(name, [own])]
                known = [version for version in versions if version is not None]
                if len(known) == len(versions):
                    self._put(found, name, {"format": 1, "version": min(known), "connector": self._connector})
        return list(found.values())

    def _put(self, found: dict[bytes, Message], name: str, value: Mapping[str, object] | None) -> None:
        key = json_key("complete", name)
        found[key] = Message(self._topic, key, None if value is None else orjson.dumps(value))


def _routes(own: str, origins: Mapping[str, Sequence[str]]) -> list[str]:
    return [name for name, sources in origins.items() if own in sources] or [own]
