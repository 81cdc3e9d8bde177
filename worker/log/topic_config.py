"""Topic options by Kafka's names: what the embedded log does with them, and what it refuses.

Source of names and defaults: Kafka 4.3, TopicConfig.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .contract import LogError

_NUMBERS: Final[Mapping[str, int]] = {
    "max.message.bytes": 1_048_588,
    "retention.ms": 604_800_000,
    "retention.bytes": -1,
    "delete.retention.ms": 86_400_000,
    "min.compaction.lag.ms": 0,
}

_OF_SERVERS: Final = frozenset(
    {
        "compression.gzip.level", "compression.lz4.level", "compression.type", "compression.zstd.level",
        "file.delete.delay.ms", "flush.messages", "flush.ms", "follower.replication.throttled.replicas",
        "index.interval.bytes", "leader.replication.throttled.replicas", "local.retention.bytes",
        "local.retention.ms", "max.compaction.lag.ms", "message.timestamp.after.max.ms",
        "message.timestamp.before.max.ms", "min.insync.replicas", "preallocate", "replication.factor", "segment.bytes",
        "segment.index.bytes", "segment.jitter.ms", "segment.ms", "unclean.leader.election.enable",
    }
)  # fmt: skip
"""About brokers, replicas and segment files, which the embedded log has not: kept with the topic, without effect."""

_FIXED: Final[Mapping[str, str]] = {"message.timestamp.type": "CreateTime", "remote.storage.enable": "false"}
"""Options of which the embedded log can do one value."""

_POLICIES: Final = frozenset({"delete", "compact"})


@dataclass(frozen=True, slots=True)
class TopicSettingsParsed:
    """Milliseconds and bytes; -1: without limit."""

    compact: bool
    delete: bool
    max_message_bytes: int
    retention_ms: int
    retention_bytes: int
    delete_retention_ms: int
    min_compaction_lag_ms: int
    min_cleanable_dirty_ratio: float


def parse_topic_config(topic: str, config: Mapping[str, str]) -> TopicSettingsParsed:
    """Raises `LogError` for an unknown option, a value that cannot be read, or one that this log cannot do."""
    for name, value in config.items():
        _check_name(topic, name)
        if name in _FIXED and value.lower() != _FIXED[name].lower():
            raise LogError(f"topic {topic}: the embedded log can only do {name}={_FIXED[name]}, not {value!r}")
    policies = {policy.strip() for policy in config.get("cleanup.policy", "delete").split(",")} - {""}
    if not policies or policies - _POLICIES:
        raise LogError(
            f"topic {topic}: cleanup.policy must be delete, compact or compact,delete, not {config['cleanup.policy']!r}"
        )
    numbers = {name: _number(topic, name, config, default) for name, default in _NUMBERS.items()}
    return TopicSettingsParsed(
        compact="compact" in policies,
        delete="delete" in policies,
        max_message_bytes=numbers["max.message.bytes"],
        retention_ms=numbers["retention.ms"],
        retention_bytes=numbers["retention.bytes"],
        delete_retention_ms=numbers["delete.retention.ms"],
        min_compaction_lag_ms=numbers["min.compaction.lag.ms"],
        min_cleanable_dirty_ratio=_ratio(topic, config),
    )


def _check_name(topic: str, name: str) -> None:
    known = {*_NUMBERS, *_OF_SERVERS, *_FIXED, "cleanup.policy", "min.cleanable.dirty.ratio"}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        raise LogError(f"topic {topic}: unknown option {name}" + (f"; did you mean {close[0]}?" if close else ""))


def _number(topic: str, name: str, config: Mapping[str, str], default: int) -> int:
    text = config.get(name)
    if text is None:
        return default
    smallest = -1 if name.startswith("retention.") else 0
    try:
        number = int(text)
    except ValueError:
        number = smallest - 1
    if number < smallest:
        raise LogError(f"topic {topic}: {name} must be a whole number of at least {smallest}, not {text!r}")
    return number


def _ratio(topic: str, config: Mapping[str, str]) -> float:
    text = config.get("min.cleanable.dirty.ratio", "0.5")
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise LogError(f"topic {topic}: min.cleanable.dirty.ratio must lie between 0 and 1, not {text!r}")
    return ratio
