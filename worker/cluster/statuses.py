"""What the records of the status topic say, read one after the other by the rules of Kafka Connect.

`status-connector-NAME`, `status-task-NAME-N` {"state","trace","worker_id","generation","version"},
`status-topic-TOPIC:connector-NAME` {"topic":{"name","connector","task","discoverTimestamp"}}; a null value deletes.
Source: org.apache.kafka.connect.storage.KafkaStatusBackingStore (4.3).
Ours: `headwater-status-NAME-gG-N`, the same of task N of generation G of a view where that is not the live one; and in
each task's value a field `headwater`, see `Status.more`. Kafka Connect's workers pass both by.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

__all__ = ["ConnectorKey", "Key", "Status", "StatusTable", "TaskKey", "TopicKey", "TopicUse", "dump_status"]

log = logging.getLogger(__name__)

_CONNECTOR: Final = "status-connector-"
_TASK: Final = "status-task-"
_TOPIC: Final = "status-topic-"
_OF_CONNECTOR: Final = ":connector-"
_OURS: Final = "headwater-status-"
_FIGURES: Final = frozenset({"progress", "metrics", "memory_bytes", "cpu_s"})
"""What changes all the time, in `Status.more`."""
STATES: Final = frozenset({"UNASSIGNED", "RUNNING", "PAUSED", "FAILED", "RESTARTING", "STOPPED"})
"""Kafka Connect knows no others and would leave a record with another one out."""


class ConnectorKey(NamedTuple):
    connector: str

    def dump(self) -> bytes:
        return f"{_CONNECTOR}{self.connector}".encode()


class TaskKey(NamedTuple):
    """`generation` of a view that is not the live one; None: the live one's, and every source's."""

    connector: str
    task: int
    generation: int | None = None

    def dump(self) -> bytes:
        if self.generation is None:
            return f"{_TASK}{self.connector}-{self.task}".encode()
        return f"{_OURS}{self.connector}-g{self.generation}-{self.task}".encode()


class TopicKey(NamedTuple):
    connector: str
    topic: str

    def dump(self) -> bytes:
        return f"{_TOPIC}{self.topic}{_OF_CONNECTOR}{self.connector}".encode()


Key = ConnectorKey | TaskKey | TopicKey


@dataclass(frozen=True, slots=True)
class Status:
    """Of a connector or a task. `generation`: the group's when it was written; `version`: the plugin's.

    `more` of a task: {"generation" (of the view), "stalled", "restarts", "pid", "memory_bytes", "cpu_s",
    "last_failure", "caught_up", "progress", "metrics"}.
    """

    state: str
    worker_id: str
    generation: int
    trace: str = ""
    version: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    def overwrites(self, other: Status | None) -> bool:
        """May a status that says that something has ended take this one's place? It must not, where another worker
        has taken over since."""
        if other is None or other.worker_id == self.worker_id:
            return True
        return other.generation <= self.generation and not self.comes_too_late_for(other)

    def comes_too_late_for(self, other: Status) -> bool:
        """A worker says that it has given a task up when another one runs it already. (Kafka Connect takes that from
        the generation alone, so that a worker that ends in good order says so in vain.)"""
        taken_over = other.state == "RUNNING" and other.generation >= self.generation
        return self.state == "UNASSIGNED" and taken_over and other.worker_id != self.worker_id

    def differs_in_figures_alone(self, other: Status) -> bool:
        return self._lasting() == other._lasting()

    def _lasting(self) -> tuple[Any, ...]:
        lasting = {name: value for name, value in self.more.items() if name not in _FIGURES}
        return (self.state, self.worker_id, self.generation, self.trace, self.version, lasting)


class TopicUse(NamedTuple):
    """A task uses a topic, since `since_ms` (1970)."""

    task: int
    since_ms: int


def dump_status(key: Key, what: Status | TopicUse | None) -> bytes | None:
    """A record's value."""
    if isinstance(what, Status):
        document: dict[str, Any] = {
            "state": what.state,
            "trace": what.trace or None,
            "worker_id": what.worker_id,
            "generation": what.generation,
            "version": what.version or None,
        }
        return orjson.dumps({**document, "headwater": what.more} if what.more else document)
    if what is None or not isinstance(key, TopicKey):
        return None
    used = {"name": key.topic, "connector": key.connector, "task": what.task, "discoverTimestamp": what.since_ms}
    return orjson.dumps({"topic": used})


class StatusTable:
    """The newest status of each connector and task, and the topics in use. Belongs to whoever holds its lock."""

    def __init__(self) -> None:
        self._connectors: dict[str, Status] = {}
        self._tasks: dict[str, dict[TaskKey, Status]] = {}
        self._topics: dict[str, dict[str, TopicUse]] = {}

    def get(self, key: Key) -> Status | TopicUse | None:
        if isinstance(key, ConnectorKey):
            return self._connectors.get(key.connector)
        if isinstance(key, TopicKey):
            return self._topics.get(key.connector, {}).get(key.topic)
        return self._tasks.get(key.connector, {}).get(key)

    def connectors(self) -> set[str]:
        """Names of all that there is a status of."""
        return {*self._connectors, *self._tasks, *self._topics}

    def tasks(self, connector: str) -> dict[TaskKey, Status]:
        return dict(self._tasks.get(connector, {}))

    def statuses(self) -> list[tuple[ConnectorKey | TaskKey, Status]]:
        """All there are, of connectors and tasks."""
        found: list[tuple[ConnectorKey | TaskKey, Status]] = []
        found += [(ConnectorKey(name), status) for name, status in self._connectors.items()]
        return found + [pair for tasks in self._tasks.values() for pair in tasks.items()]

    def all(self) -> list[tuple[Key, Status | TopicUse]]:
        """Topics in use as well."""
        used = [(TopicKey(name, topic), use) for name, topics in self._topics.items() for topic, use in topics.items()]
        return [*self.statuses(), *used]

    def topics(self, connector: str) -> dict[str, TopicUse]:
        return dict(self._topics.get(connector, {}))

    def put(self, key: Key, what: Status | TopicUse | None) -> bool:
        """As read from the topic. False: it is out of date and changes nothing."""
        if isinstance(key, ConnectorKey):
            _set(self._connectors, key.connector, what)
            return True
        if isinstance(key, TopicKey):
            _set_in(self._topics, key.connector, key.topic, what)
            return True
        before = self._tasks.get(key.connector, {}).get(key)
        if isinstance(what, Status) and before is not None and what.comes_too_late_for(before):
            return False
        _set_in(self._tasks, key.connector, key, what)
        return True


def _set(into: dict[Any, Any], key: Any, what: Any) -> None:
    if what is None:
        into.pop(key, None)
    else:
        into[key] = what


def _set_in(into: dict[str, dict[Any, Any]], connector: str, key: Any, what: Any) -> None:
    inner = into.setdefault(connector, {})
    _set(inner, key, what)
    if not inner:
        del into[connector]


def load_key(key: bytes) -> Key | None:
    """None: not a key of the status topic."""
    text = key.decode(errors="replace")
    if text.startswith(_CONNECTOR):
        return ConnectorKey(text.removeprefix(_CONNECTOR))
    if text.startswith(_TASK):
        name, _, number = text.removeprefix(_TASK).rpartition("-")
        return TaskKey(name, int(number)) if name and number.isdecimal() else None
    if text.startswith(_TOPIC):
        topic, found, connector = text.removeprefix(_TOPIC).partition(_OF_CONNECTOR)
        return TopicKey(connector, topic) if found and topic and connector else None
    if text.startswith(_OURS):
        rest, _, number = text.removeprefix(_OURS).rpartition("-")
        name, _, generation = rest.rpartition("-g")
        if name and number.isdecimal() and generation.isdecimal():
            return TaskKey(name, int(number), int(generation))
    return None


def load_status(key: Key, value: bytes | None) -> Status | TopicUse | None:
    """Raises `ValueError`, `KeyError`, `TypeError` for what is no such record."""
    if value is None:
        return None
    document = orjson.loads(value)
    if set(document) == {"schema", "payload"}:
        document = document["payload"]  # Kafka Connect's converter with schemas
    if isinstance(key, TopicKey):
        used = document["topic"]
        return TopicUse(int(used["task"]), int(used["discoverTimestamp"]))
    if document["state"] not in STATES:
        raise ValueError(f"there is no state {document['state']!r}")
    more = document.get("headwater")
    return Status(
        document["state"],
        str(document["worker_id"]),
        int(document["generation"]),
        document.get("trace") or "",
        document.get("version") or "",
        more if isinstance(more, dict) else {},
    )


def missing(
    table: StatusTable, tasks: Mapping[str, int], generations: Mapping[str, Collection[int]]
) -> list[ConnectorKey | TaskKey]:
    """Statuses of what is there no more. `tasks`: how many each connector has; `generations`: numbers of those of a
    view that run, other than the live one."""
    gone: list[ConnectorKey | TaskKey] = []
    for name in table.connectors():
        if name not in tasks:
            gone += [*table.tasks(name), ConnectorKey(name)]
            continue
        others = generations.get(name, ())
        for key in table.tasks(name):
            if key.task >= tasks[name] if key.generation is None else key.generation not in others:
                gone.append(key)
    return gone
