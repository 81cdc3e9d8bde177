"""Recognising the schema of a JSON message by its first bytes, without reading them as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import orjson

from headwater.worker.api import Schema

_MARK: Final = b',"payload":'
PER_TOPIC: Final = 32
"""Schemas remembered by prefix for one topic; more still work, but are read in full."""


class Known(NamedTuple):
    schema: Schema | None
    decode: Callable[[Any], Any]


class KnownPrefixes:
    """`{"schema":…,"payload":` -> what was found there the first time. The last one found is tried first."""

    def __init__(self) -> None:
        self._topics: dict[str, list[tuple[bytes, Known]]] = {}

    def find(self, topic: str, data: bytes) -> tuple[int, Known] | None:
        """Where the payload starts, and what the schema before it is."""
        entries = self._topics.get(topic)
        if not entries:
            return None
        for index, (prefix, known) in enumerate(entries):
            if data.startswith(prefix):
                if index:
                    entries.insert(0, entries.pop(index))
                return len(prefix), known
        return None

    def remember(self, topic: str, data: bytes, known: Known) -> None:
        """`known`: what the whole of `data` says. Messages that are laid out otherwise are not remembered."""
        prefix = _prefix(data)
        if prefix is None:
            return
        entries = self._topics.setdefault(topic, [])
        entries.insert(0, (prefix, known))
        del entries[PER_TOPIC:]


def _prefix(data: bytes) -> bytes | None:
    """The mark cannot stand in a JSON string, but a schema's parameters or defaults may hold it as a key."""
    at = data.find(_MARK)
    while at >= 0:
        prefix = data[: at + len(_MARK)]
        if _splits(prefix, data[len(prefix) : -1]):
            return prefix
        at = data.find(_MARK, at + 1)
    return None


def _splits(prefix: bytes, payload: bytes) -> bool:
    """Nothing but the payload may follow: of two fields of one name the last counts."""
    try:
        start = orjson.loads(prefix + b"null}")
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return False
    return isinstance(start, dict) and list(start) == ["schema", "payload"]
