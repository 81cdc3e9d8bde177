"""Connectors on the config topic, in Kafka Connect's own records.

`connector-NAME` {"properties":{…}}, `target-state-NAME` {"state","state.v2"}, `task-NAME-N` {"properties":{…}},
`commit-NAME` {"tasks":n}, `tasks-fencing-NAME` {"task-count":n}; a null value deletes. Source:
org.apache.kafka.connect.storage.KafkaConfigBackingStore (4.3), values as its JsonConverter writes them without schemas.
Ours: `headwater-files` {"format":1,"connectors":[…]}, the connectors that `headwater run` has taken from files.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import orjson

from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Log, Message

__all__ = ["ConfigTopic", "Configured", "TargetState"]

log = logging.getLogger(__name__)

TargetState = Literal["STARTED", "PAUSED", "STOPPED"]

_CONNECTOR, _TARGET, _TASK, _COMMIT = "connector-", "target-state-", "task-", "commit-"
_FENCING = "tasks-fencing-"
_FILES = b"headwater-files"


@dataclass(frozen=True, slots=True)
class Configured:
    """One connector as the topic has it. `tasks`: the task configs of its last complete plan.

    `fenced`: transactional ids 0 to n-1 may have been used by tasks until now; `new_tasks`: `tasks` are newer than it.
    """

    name: str
    raw: Mapping[str, str]
    target: TargetState = "STARTED"
    tasks: tuple[Mapping[str, str], ...] = field(default=())
    fenced: int = 0
    new_tasks: bool = False


class ConfigTopic:
    """Reading belongs to one thread; `write` may be called from any."""

    def __init__(self, the_log: Log, topic: str) -> None:
        self._log = the_log
        self._topic = topic
        self._records = CompactedDict(the_log, topic)
        self._unfenced: set[bytes] = set()

    def refresh(self, timeout_s: float = 30.0, whole: bool = True) -> bool:
        """Read on; whether anything has changed. See `CompactedDict.refresh`."""
        changes = self._records.refresh(timeout_s, whole)
        for key, _ in changes:
            if key.startswith(_COMMIT.encode()):
                self._unfenced.add(key.removeprefix(_COMMIT.encode()))
            elif key.startswith(_FENCING.encode()):
                self._unfenced.discard(key.removeprefix(_FENCING.encode()))
        return bool(changes)

    def connectors(self) -> dict[str, Configured]:
        """All connectors, as of the last `refresh`."""
        found: dict[str, Configured] = {}
        for key in [key for key, _ in self._records.items()]:
            if not key.startswith(_CONNECTOR.encode()):
                continue
            name = key.decode().removeprefix(_CONNECTOR)
            document = self._document(key)
            if document is not None:
                raw = document.get("properties") or {}
                fencing = self._fenced(name), name.encode() in self._unfenced
                found[name] = Configured(name, raw, self._target(name), self._tasks(name), *fencing)
        return found

    def from_files(self) -> list[str]:
        """Names of the connectors that were taken from files last."""
        document = self._document(_FILES)
        return [] if document is None else list(document["connectors"])

    def _target(self, name: str) -> TargetState:
        document = self._document(f"{_TARGET}{name}".encode()) or {}
        state = document.get("state.v2") or document.get("state") or "STARTED"
        return cast(TargetState, state if state in ("STARTED", "PAUSED", "STOPPED") else "STARTED")

    def _tasks(self, name: str) -> tuple[Mapping[str, str], ...]:
        commit = self._document(f"{_COMMIT}{name}".encode())
        if commit is None:
            return ()
        documents = [self._document(f"{_TASK}{name}-{n}".encode()) for n in range(int(commit["tasks"]))]
        return tuple(d["properties"] for d in documents if d is not None)

    def _fenced(self, name: str) -> int:
        document = self._document(f"{_FENCING}{name}".encode())
        return 0 if document is None else int(document["task-count"])

    def _document(self, key: bytes) -> dict[str, Any] | None:
        value = self._records.get(key)
        if value is None:
            return None
        try:
            document = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            log.error("record %s of topic %s is not JSON and is passed by: %s", key.decode(), self._topic, error)
            return None
        if isinstance(document, dict) and set(document) == {"schema", "payload"}:
            document = document["payload"]  # Kafka Connect's converter with schemas
        return document if isinstance(document, dict) else None

    def write(self, records: Iterable[tuple[str | bytes, Mapping[str, Any] | None]]) -> None:
        """Durable when it returns. Make the records with the functions below."""
        messages = self.messages(records)
        with closing(self._log.producer()) as producer:
            producer.send(messages)
            producer.flush()

    def messages(self, records: Iterable[tuple[str | bytes, Mapping[str, Any] | None]]) -> list[Message]:
        return [
            Message(
                self._topic,
                key.encode() if isinstance(key, str) else key,
                None if value is None else orjson.dumps(dict(value)),
            )
            for key, value in records
        ]

    def close(self) -> None:
        self._records.close()


Records = list[tuple[str | bytes, Mapping[str, Any] | None]]


def connector_records(name: str, raw: Mapping[str, str]) -> Records:
    return [(f"{_CONNECTOR}{name}", {"properties": dict(raw)})]


def target_records(name: str, state: TargetState) -> Records:
    """Workers of Kafka Connect before 3.5 know no STOPPED and shall at least pause."""
    old = "PAUSED" if state == "STOPPED" else state
    return [(f"{_TARGET}{name}", {"state": old, "state.v2": state})]


def task_records(name: str, tasks: Sequence[Mapping[str, str]]) -> Records:
    records: Records = [(f"{_TASK}{name}-{n}", {"properties": dict(config)}) for n, config in enumerate(tasks)]
    return [*records, (f"{_COMMIT}{name}", {"tasks": len(tasks)})]


def fencing_records(name: str, tasks: int) -> Records:
    """No earlier task writes any more; from now on the transactional ids 0 to `tasks`-1 may be used."""
    return [(f"{_FENCING}{name}", {"task-count": tasks})]


def forget_records(connector: Configured) -> Records:
    """The connector is gone. Kafka Connect leaves task configs and commit behind; these are removed as well.

    Its tasks-fencing record stays: made again, it may meet tasks of now that still hang somewhere.
    """
    name = connector.name
    keys = [f"{_CONNECTOR}{name}", f"{_TARGET}{name}", f"{_COMMIT}{name}"]
    keys += [f"{_TASK}{name}-{n}" for n in range(len(connector.tasks))]
    return [(key, None) for key in keys]


def files_records(names: Sequence[str]) -> Records:
    return [(_FILES, {"format": 1, "connectors": list(names)})]
