"""Names and keys of the topics that Headwater itself writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

__all__ = ["InternalTopics", "json_key"]

_NOT_OF_TOPICS: Final = frozenset({"topic", "partitions", "replication.factor", "file.filename"})


@dataclass(frozen=True, slots=True)
class InternalTopics:
    """`offsets`, `configs`, `status` are Kafka Connect's; `topics` (marks per topic) and `views` are ours.

    `…_replicas` count where Headwater makes the topic, -1: the broker's default; `configs_replicas` for ours as well.
    `…_settings` are settings of the topic, by its own names, where Headwater makes it.
    """

    offsets: str = "connect-offsets"
    configs: str = "connect-configs"
    status: str = "connect-status"
    topics: str = "headwater-topics"
    views: str = "headwater-views"
    offsets_partitions: int = 25
    offsets_replicas: int = 3
    configs_replicas: int = 3
    status_partitions: int = 5
    status_replicas: int = 3
    offsets_settings: Mapping[str, str] = field(default_factory=dict)
    configs_settings: Mapping[str, str] = field(default_factory=dict)
    status_settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> InternalTopics:
        """From the worker's settings; names of the options: `config.worker_options`."""
        default = cls()
        return cls(
            settings.get("offset.storage.topic", default.offsets),
            settings.get("config.storage.topic", default.configs),
            settings.get("status.storage.topic", default.status),
            settings.get("topics.storage.topic", default.topics),
            settings.get("views.storage.topic", default.views),
            int(settings.get("offset.storage.partitions", default.offsets_partitions)),
            int(settings.get("offset.storage.replication.factor", default.offsets_replicas)),
            int(settings.get("config.storage.replication.factor", default.configs_replicas)),
            int(settings.get("status.storage.partitions", default.status_partitions)),
            int(settings.get("status.storage.replication.factor", default.status_replicas)),
            _settings("offset.storage.", settings),
            _settings("config.storage.", settings),
            _settings("status.storage.", settings),
        )


def _settings(prefix: str, settings: Mapping[str, str]) -> dict[str, str]:
    found = {name.removeprefix(prefix): text.strip() for name, text in settings.items() if name.startswith(prefix)}
    return {name: text for name, text in found.items() if name not in _NOT_OF_TOPICS}


def json_key(*parts: Any) -> bytes:
    """`["complete","shop.public.orders"]`: a JSON array without spaces, as Java's JsonConverter writes it."""
    return orjson.dumps(list(parts))


def json_key_parts(key: bytes) -> tuple[str, ...]:
    """Of a key by `json_key` whose parts are texts; () of any other: another program's record, which is passed by."""
    try:
        parts = orjson.loads(key)
    except orjson.JSONDecodeError:
        return ()
    known = isinstance(parts, list) and all(isinstance(part, str) for part in parts)
    return tuple(parts) if known else ()
