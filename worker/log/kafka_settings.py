"""From a worker's and a connector's options to the settings of librdkafka's clients.

Options have the names of Kafka's Java clients, with which Kafka Connect is set up; librdkafka's names are taken too.
A connector's `producer.override.*` goes before the worker's `producer.*`, that before the plain option; `consumer` and
`admin` alike. Sources of names: Kafka 4.3 (ProducerConfig, ConsumerConfig, AdminClientConfig, SaslConfigs, SslConfigs),
librdkafka 2.16 CONFIGURATION.md.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from headwater.worker.api import ConfigError, Problem

from .kafka_names import (
    COMMON,
    LIBRDKAFKA,
    OF_CLIENT,
    OWNED,
    RENAMED,
    UNSUPPORTED,
    WITHOUT_EFFECT,
)
from .kafka_security import SECURITY, security_settings

log = logging.getLogger(__name__)

_said: set[str] = set()
"""Options without effect of which the log has heard already."""

MAX_BLOCK: Final = "max.block.ms"
"""Not librdkafka's: how long one call of a producer may wait for the brokers. `KafkaProducer` takes it out."""

_DEFAULTS: Final[Mapping[str, Mapping[str, str]]] = {
    "producer": {
        "acks": "all",
        "partitioner": "murmur2_random",  # as Kafka's Java client and worker/log/partitioner.py
        "message.max.bytes": "1000000000",  # the topic's max.message.bytes decides, not a second limit of the client
        "queue.buffering.max.messages": "0",  # bounded by bytes alone
        "queue.buffering.max.kbytes": "262144",
        "message.timeout.ms": "60000",
        "transaction.timeout.ms": "60000",
        MAX_BLOCK: "60000",
        "topic.metadata.propagation.max.ms": "10000",
    },
    "consumer": {
        "session.timeout.ms": "10000",  # a killed task's partitions move on after this
        "auto.offset.reset": "earliest",
        "receive.message.max.bytes": "2147483647",  # a topic may hold larger messages than librdkafka's default
        "queued.min.messages": "50000",
        "queued.max.messages.kbytes": "65536",
        "metadata.max.age.ms": "5000",
        "check.crcs": "true",
    },
    "admin": {},
}
_LONGEST_REFRESH_MS: Final = 3_600_000
_EVERYWHERE: Final[Mapping[str, str]] = {
    "client.id": "headwater",
    "log.connection.close": "false",
    "socket.keepalive.enable": "true",
    "socket.timeout.ms": "30000",
    "allow.auto.create.topics": "false",
    "enable.metrics.push": "false",
}


class Role(StrEnum):
    PRODUCER = "producer"
    CONSUMER = "consumer"
    ADMIN = "admin"


def client_settings(role: Role, settings: Mapping[str, str], overrides: Mapping[str, str] | None) -> dict[str, str]:
    """librdkafka's settings for one client, defaults of Headwater's included.

    `settings`: the worker's options, in which everything but `bootstrap.servers`, the common client options and
    `<role>.*` belongs to others and is passed over. Raises `ConfigError` with every problem found.
    """
    chosen, problems = _gather(role, settings, overrides or {})
    result = dict(_EVERYWHERE) | dict(_DEFAULTS[role])
    security = {name: option for name, option in chosen.items() if name in SECURITY}
    for name, (option, value) in chosen.items():
        if name in security:
            continue
        name_there = RENAMED.get(name, name)
        if name in WITHOUT_EFFECT:
            _say_once(option)
        elif name == "max.request.size":
            result["message.max.bytes"] = value
        elif name == "buffer.memory":
            result["queue.buffering.max.kbytes"] = str(max(_number(option, value, problems) >> 10, 1))
        elif name == "acks":
            if value.strip() not in ("all", "-1"):
                problems.append(Problem(option, "must be all: fewer acknowledgements lose records", "leave it out"))
        elif name == "auto.offset.reset":
            result[name] = _reset(option, value, problems)
        else:
            result[name_there] = value
    found, more = security_settings(security)
    problems += more
    if problems:
        raise ConfigError(problems)
    result |= found
    _fit(role, result)
    return result


def _gather(
    role: Role, settings: Mapping[str, str], overrides: Mapping[str, str]
) -> tuple[dict[str, tuple[str, str]], list[Problem]]:
    """Name at the client -> (full option name, value), the strongest of its places."""
    chosen: dict[str, tuple[str, str]] = {}
    problems: list[Problem] = []
    known = COMMON | SECURITY.keys() | OF_CLIENT[role] | LIBRDKAFKA[role] | LIBRDKAFKA["both"]
    for name, value in settings.items():
        if name in COMMON or name in SECURITY:
            chosen[name] = (name, value)
    prefixed = [(settings, f"{role}."), (overrides, f"{role}.override.")]
    for options, prefix in prefixed:
        for option, value in options.items():
            if not option.startswith(prefix) or option.startswith(f"{role}.override.") != prefix.endswith("override."):
                continue
            name = option.removeprefix(prefix)
            problem = _problem(name, option, known)
            if problem is None:
                chosen[name] = (option, value)
            else:
                problems.append(problem)
    return chosen, problems


def _problem(name: str, option: str, known: frozenset[str] | set[str]) -> Problem | None:
    if name in OWNED:
        return Problem(option, f"Headwater sets this itself: {OWNED[name]}", "leave the option out")
    if name in UNSUPPORTED:
        return Problem(option, f"this option of Kafka's Java client is not supported: {UNSUPPORTED[name]}")
    if name in known:
        return None
    close = difflib.get_close_matches(name, known, n=1)
    return Problem(option, "unknown option of a Kafka client", f"did you mean {close[0]}?" if close else "")


def _say_once(option: str) -> None:
    if option not in _said:
        _said.add(option)
        log.info("%s has no effect here: librdkafka, Headwater's Kafka client, has nothing like it", option)


def _number(option: str, value: str, problems: list[Problem]) -> int:
    try:
        return int(value)
    except ValueError:
        problems.append(Problem(option, f"must be a whole number, not {value!r}"))
        return 0


def _reset(option: str, value: str, problems: list[Problem]) -> str:
    if value in ("earliest", "smallest", "beginning"):
        return "earliest"
    if value in ("latest", "largest", "end"):
        return "latest"
    problems.append(Problem(option, f"must be earliest or latest, not {value!r}"))
    return value


def _fit(role: Role, result: dict[str, str]) -> None:
    """What librdkafka refuses unless it fits together: a message may not wait longer than its transaction, a fetch not
    be smaller than a message (a larger one is fetched all the same)."""
    if role is Role.PRODUCER:
        transaction_ms = int(result["transaction.timeout.ms"])
        result["message.timeout.ms"] = str(min(int(result["message.timeout.ms"]) or transaction_ms, transaction_ms))
    if role is Role.CONSUMER and "fetch.max.bytes" in result:
        largest = int(result.get("message.max.bytes", "1000000"))
        result["message.max.bytes"] = str(max(min(largest, int(result["fetch.max.bytes"])), 1000))
    if role is Role.CONSUMER:
        # A member that joins may wait for metadata whose request was lost with a broker: until the next look, which
        # librdkafka takes every 5 minutes by itself.
        every_ms = min(int(result["metadata.max.age.ms"]), _LONGEST_REFRESH_MS)
        result["topic.metadata.refresh.interval.ms"] = str(every_ms)
    if role is Role.CONSUMER and "heartbeat.interval.ms" not in result:
        result["heartbeat.interval.ms"] = str(max(min(3000, int(result["session.timeout.ms"]) // 3), 1))
