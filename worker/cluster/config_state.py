"""What the records of the config topic say, read one after the other by the rules of Kafka Connect.

`connector-NAME` {"properties":{…}}, `target-state-NAME` {"state","state.v2"}, `task-NAME-N` {"properties":{…}},
`commit-NAME` {"tasks":n}, `tasks-fencing-NAME` {"task-count":n}, `restart-connector-NAME`
{"include-tasks","only-failed"}, `logger-cluster-NAMESPACE` {"level"}, `session-key`: see `session_keys`; a null value
deletes. Source: org.apache.kafka.connect.storage.KafkaConfigBackingStore (4.3).
Ours: `headwater-files` {"format":1,"connectors":[…]}, the connectors that `headwater run` has taken from files.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, cast

import orjson

from .session_keys import SessionKey

__all__ = ["ConfigState", "Configured", "RestartRequest", "TargetState"]

log = logging.getLogger(__name__)

TargetState = Literal["STARTED", "PAUSED", "STOPPED"]

CONNECTOR: Final = "connector-"
TARGET: Final = "target-state-"
TASK: Final = "task-"
COMMIT: Final = "commit-"
FENCING: Final = "tasks-fencing-"
RESTART: Final = "restart-connector-"
LOGGER: Final = "logger-cluster-"
SESSION_KEY: Final = "session-key"
FILES: Final = "headwater-files"

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Configured:
    """One connector as the topic has it. `tasks`: the task configs of its last complete plan.

    `fenced`: transactional ids 0 to n-1 may have been used by tasks until now; `new_tasks`: `tasks` are newer than it.
    `planned`: they were made from this `raw`, not from an earlier one.
    `inconsistent`: the last plan is not complete on the topic, which compaction and a leader that died within its
    writing can bring about; `tasks` is empty then, and the owner of the connector has to write its plan again.
    """

    name: str
    raw: Mapping[str, str]
    target: TargetState = "STARTED"
    tasks: tuple[Mapping[str, str], ...] = field(default=())
    fenced: int = 0
    new_tasks: bool = False
    inconsistent: bool = False
    planned: bool = True


class RestartRequest(NamedTuple):
    """A user wants the connector restarted, and its tasks (`include_tasks`), or what has failed of that."""

    connector: str
    include_tasks: bool = False
    only_failed: bool = False


class ConfigState:
    """Give it every record in the topic's order. Belongs to one thread."""

    def __init__(self, topic: str) -> None:
        """`topic`: its name, for messages."""
        self._topic = topic
        self._raw: dict[str, Mapping[str, str]] = {}
        self._targets: dict[str, TargetState] = {}
        self._uncommitted: dict[str, dict[int, Mapping[str, str]]] = {}
        self._tasks: dict[str, tuple[Mapping[str, str], ...]] = {}
        self._inconsistent: set[str] = set()
        self._fenced: dict[str, int] = {}
        self._unfenced: set[str] = set()
        self._unplanned: set[str] = set()
        self._found: dict[str, Configured] = {}
        self.files: list[str] = []
        self.session_key: SessionKey | None = None
        self.restarts: list[RestartRequest] = []
        """Requests in the order of their arrival; take them away when you have seen them."""
        self.levels: list[tuple[str, str]] = []
        """Loggers and their new levels, likewise."""

    def connectors(self) -> dict[str, Configured]:
        return dict(self._found)

    def apply(self, key: bytes, value: bytes | None) -> None:
        """One record. What cannot be understood is logged and passed by, as Kafka Connect does."""
        name = key.decode(errors="replace")
        for prefix, take in _READERS:
            if not name.startswith(prefix):
                continue
            rest = name.removeprefix(prefix)
            try:
                take(self, rest, None if value is None else self._document(value))
            except (KeyError, TypeError, ValueError) as error:
                log.error("record %s of topic %s is passed by: %s", name, self._topic, error)
            return
        log.debug("record %s of topic %s is none of ours", name, self._topic)

    @staticmethod
    def _document(value: bytes) -> Document:
        """Raises `ValueError`."""
        document = orjson.loads(value)
        if isinstance(document, dict) and set(document) == {"schema", "payload"}:
            document = document["payload"]  # Kafka Connect's converter with schemas
        if not isinstance(document, dict):
            raise ValueError("its value is not a JSON object")
        return document

    def _connector(self, name: str, document: Document | None) -> None:
        if document is None:
            self._forget(name)
            return
        if not name:
            raise ValueError("a connector has a name")
        self._raw[name] = _properties(document)
        self._unplanned.add(name)
        self._refresh(name)

    def _forget(self, name: str) -> None:
        for known in (self._raw, self._tasks, self._uncommitted, self._found):
            known.pop(name, None)
        self._inconsistent.discard(name)

    def _target(self, name: str, document: Document | None) -> None:
        if document is None:
            self._targets.pop(name, None)
        else:
            newer = document.get("state.v2")
            state = newer if isinstance(newer, str) else document["state"]
            if state not in ("STARTED", "PAUSED", "STOPPED"):
                raise ValueError(f"there is no target state {state!r}")
            self._targets[name] = cast(TargetState, state)
        self._refresh(name)

    def _task(self, rest: str, document: Document | None) -> None:
        name, _, number = rest.rpartition("-")
        if document is not None:  # deleted ones do not count before the next commit either
            self._uncommitted.setdefault(name, {})[int(number)] = _properties(document)

    def _commit(self, name: str, document: Document | None) -> None:
        if document is None:
            return
        if name not in self._raw:
            # Left behind by a connector of this name that was deleted; compaction has removed the rest of it.
            self._forget(name)
            return
        count = _whole(document["tasks"])
        written = self._uncommitted.pop(name, {})
        if all(number in written for number in range(count)):
            self._tasks[name] = tuple(written[number] for number in range(count))
            self._inconsistent.discard(name)
        else:
            self._tasks.pop(name, None)
            self._inconsistent.add(name)
        self._unfenced.add(name)
        self._unplanned.discard(name)
        self._refresh(name)

    def _fencing(self, name: str, document: Document | None) -> None:
        if document is not None:
            self._fenced[name] = _whole(document["task-count"])
            self._unfenced.discard(name)
            self._refresh(name)

    def _restart(self, name: str, document: Document | None) -> None:
        if document is not None:
            flags = document.get("include-tasks"), document.get("only-failed")
            self.restarts.append(RestartRequest(name, *(flag is True for flag in flags)))

    def _logger(self, namespace: str, document: Document | None) -> None:
        if document is not None:
            if not isinstance(document["level"], str):
                raise ValueError("its level is not a text")
            self.levels.append((namespace, document["level"]))

    def _session_key(self, rest: str, document: Document | None) -> None:
        if not rest and document is not None:
            self.session_key = SessionKey.of_document(document)

    def _files(self, rest: str, document: Document | None) -> None:
        self.files = [] if document is None else list(document["connectors"])

    def _refresh(self, name: str) -> None:
        if name in self._raw:
            self._found[name] = Configured(
                name,
                self._raw[name],
                self._targets.get(name, "STARTED"),
                self._tasks.get(name, ()),
                self._fenced.get(name, 0),
                name in self._unfenced,
                name in self._inconsistent,
                name not in self._unplanned,
            )


_READERS: Final[tuple[tuple[str, Callable[[ConfigState, str, Document | None], None]], ...]] = (
    (CONNECTOR, ConfigState._connector),
    (TARGET, ConfigState._target),
    (TASK, ConfigState._task),
    (COMMIT, ConfigState._commit),
    (FENCING, ConfigState._fencing),
    (RESTART, ConfigState._restart),
    (LOGGER, ConfigState._logger),
    (SESSION_KEY, ConfigState._session_key),
    (FILES, ConfigState._files),
)


def _properties(document: Document) -> dict[str, str]:
    properties = document["properties"]
    if not isinstance(properties, dict):
        raise ValueError("its properties are not a JSON object")
    return {name: value if isinstance(value, str) else str(value) for name, value in properties.items()
            if value is not None}  # fmt: skip


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r} is not a whole number")
    return value
