"""Records for the config topic, made as Kafka Connect makes them, and in its order.

Source: org.apache.kafka.connect.storage.KafkaConfigBackingStore (4.3), values as its JsonConverter writes them without
schemas. What they say: `config_state`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from headwater.worker.log.contract import Message

from .config_state import (
    COMMIT,
    CONNECTOR,
    FENCING,
    FILES,
    LOGGER,
    RESTART,
    SESSION_KEY,
    TARGET,
    TASK,
    Configured,
    RestartRequest,
    TargetState,
)
from .session_keys import SessionKey

__all__ = [
    "Records",
    "config_messages",
    "connector_records",
    "fencing_records",
    "files_records",
    "forget_records",
    "logger_records",
    "restart_records",
    "session_key_records",
    "stop_records",
    "target_records",
    "task_records",
]

Records = list[tuple[str | bytes, Mapping[str, Any] | None]]


def config_messages(topic: str, records: Iterable[tuple[str | bytes, Mapping[str, Any] | None]]) -> list[Message]:
    """What `records` look like on the config topic of that name."""
    return [
        Message(
            topic,
            key.encode() if isinstance(key, str) else key,
            None if value is None else orjson.dumps(dict(value)),
        )
        for key, value in records
    ]


def connector_records(name: str, raw: Mapping[str, str], initial_state: TargetState | None = None) -> Records:
    """`initial_state` comes first: whoever reads the config knows its state already."""
    before = [] if initial_state is None else target_records(name, initial_state)
    return [*before, (f"{CONNECTOR}{name}", {"properties": dict(raw)})]


def target_records(name: str, state: TargetState) -> Records:
    """Workers of Kafka Connect before 3.5 know no STOPPED and shall at least pause."""
    old = "PAUSED" if state == "STOPPED" else state
    return [(f"{TARGET}{name}", {"state": old, "state.v2": state})]


def stop_records(name: str) -> Records:
    """A connector that is running is stopped: as in Kafka Connect it has no tasks then, and that is written first."""
    return [*task_records(name, []), *target_records(name, "STOPPED")]


def task_records(name: str, tasks: Sequence[Mapping[str, str]]) -> Records:
    """They count from the commit on, which is the last of them."""
    records: Records = [(f"{TASK}{name}-{n}", {"properties": dict(config)}) for n, config in enumerate(tasks)]
    return [*records, (f"{COMMIT}{name}", {"tasks": len(tasks)})]


def fencing_records(name: str, tasks: int) -> Records:
    """No earlier task writes any more; from now on the transactional ids 0 to `tasks`-1 may be used."""
    return [(f"{FENCING}{name}", {"task-count": tasks})]


def forget_records(connector: Configured) -> Records:
    """The connector is gone, and with it what its task configs and commit say.

    Its tasks-fencing record stays in force: made again, it may meet tasks of now that still hang somewhere.
    """
    return [(f"{CONNECTOR}{connector.name}", None), (f"{TARGET}{connector.name}", None)]


def restart_records(request: RestartRequest) -> Records:
    what = {"include-tasks": request.include_tasks, "only-failed": request.only_failed}
    return [(f"{RESTART}{request.connector}", what)]


def logger_records(namespace: str, level: str) -> Records:
    """Every worker of the cluster sets this logger to this level."""
    return [(f"{LOGGER}{namespace}", {"level": level})]


def session_key_records(key: SessionKey) -> Records:
    return [(SESSION_KEY, key.as_document())]


def files_records(names: Sequence[str]) -> Records:
    return [(FILES, {"format": 1, "connectors": list(names)})]
