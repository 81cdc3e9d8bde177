"""The log behind a worker: `open_log` gives the one that the worker's settings ask for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .contract import (
    Consumer,
    Fenced,
    Isolation,
    Log,
    LogError,
    Message,
    MessageRefused,
    Producer,
    TopicExists,
    TopicInfo,
    UnknownTopic,
)

__all__ = [
    "Consumer",
    "Fenced",
    "Isolation",
    "Log",
    "LogError",
    "Message",
    "MessageRefused",
    "Producer",
    "TopicExists",
    "TopicInfo",
    "UnknownTopic",
    "open_log",
]


def open_log(settings: Mapping[str, str], data_dir: Path, overrides: Mapping[str, str] | None = None) -> Log:
    """`settings`: the worker's options by their dotted keys. Without `bootstrap.servers`: the embedded log in
    `data_dir`. `overrides`: a connector's options; its `producer.override.*`, `consumer.override.*` and
    `admin.override.*` go before the worker's settings of the Kafka clients.

    Raises `ConfigError`, `LogError`, `Retriable`.
    """
    if settings.get("bootstrap.servers", "").strip():
        from .kafka import KafkaLog  # only here: the embedded log does without librdkafka

        return KafkaLog(settings, overrides)
    from .embedded import FILE_NAME, EmbeddedLog  # likewise: a task's process on Kafka starts a sixth sooner without

    return EmbeddedLog(data_dir / FILE_NAME)
