"""Source positions in the offsets topic, in Kafka Connect's format.

Key: `["connector",{partition}]`, value: `{position}`, both compact JSON as Java's JsonConverter writes them; a null
value forgets. Two keys that say the same with other bytes would live side by side for ever, so the bytes of a key that
is there already are used again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import orjson

from headwater.worker.api import Fatal, Partition, Position
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Log, Message

from .internal_topics import json_key

__all__ = ["Positions"]

log_lines = logging.getLogger(__name__)


class Positions:
    """The stored positions of one connector."""

    def __init__(self, log: Log, topic: str, connector: str, partitions: int = 1, replication_factor: int = -1) -> None:
        """Makes the topic with `partitions` and replicas where it is missing; see `CompactedDict`."""
        self._topic = topic
        self._connector = connector
        self._stored = CompactedDict(log, topic, partitions, replication_factor)
        if self._stored.made:
            log_lines.warning(
                "topic %s, in which positions lie, was not there and was made. Right for a new topic; if somebody has "
                "deleted it, %s and all others that had their positions there begin at the beginning, and write once "
                "more what their topics hold already",
                topic,
                connector,
            )
        self._keys: dict[bytes, bytes] = {}

    def load(self) -> list[tuple[Partition, Position]]:
        """All that is durable now, by any task of the connector. Raises `Fatal` for a value that is not JSON."""
        self._stored.refresh()
        found: list[tuple[Partition, Position]] = []
        for key, value in self._stored.items():
            partition = self._partition(key)
            if partition is None:
                continue
            self._keys[_canonical(partition)] = key
            try:
                position = orjson.loads(value)
            except orjson.JSONDecodeError as error:
                raise Fatal(
                    f"the position of connector {self._connector} for {key.decode(errors='replace')} in topic "
                    f"{self._topic} is not JSON: {error}. Store a right one with `headwater offsets`"
                ) from error
            if isinstance(position, dict):
                found.append((partition, position))
        return found

    def _partition(self, key: bytes) -> Partition | None:
        try:
            parts = orjson.loads(key)
        except orjson.JSONDecodeError:
            return None  # another connector's or another program's; Kafka Connect passes it by as well
        if isinstance(parts, list) and len(parts) == 2 and parts[0] == self._connector and isinstance(parts[1], dict):
            return parts[1]
        return None

    def messages(self, positions: Sequence[tuple[Partition, Position | None]]) -> list[Message]:
        """What to write so that these are the stored positions; for each partition its last one alone."""
        latest: dict[bytes, Message] = {}
        for partition, position in positions:
            same = _canonical(partition)
            key = self._keys.setdefault(same, json_key(self._connector, dict(partition)))
            value = None if position is None else orjson.dumps(dict(position))
            latest[same] = Message(self._topic, key, value)
        return list(latest.values())

    def close(self) -> None:
        self._stored.close()


def _canonical(partition: Partition) -> bytes:
    return orjson.dumps(dict(partition), option=orjson.OPT_SORT_KEYS)
