"""The config topic, followed as it grows. What its records say: `config_state`; how they are made: `config_records`."""

from __future__ import annotations

from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Log, UnknownTopic

from .config_state import ConfigState, Configured, RestartRequest
from .own_topics import way_back
from .session_keys import SessionKey

__all__ = ["ConfigTopic"]


class ConfigTopic:
    """Belongs to one thread."""

    def __init__(self, the_log: Log, topic: str) -> None:
        self._topic = topic
        self._records = CompactedDict(the_log, topic)
        self._state = ConfigState(topic)
        self._followed = False
        self._restarts: list[RestartRequest] = []
        self._levels: list[tuple[str, str]] = []
        self.offset = -1
        """One past the last record that was read, -1 before the first: Kafka Connect's measure, by which the members
        of a group tell each other how far they are. Ends of transactions, which take offsets too, do not count."""
        self.position = 0
        """The next offset to read, ends of transactions included. Who has `position` >= another's `offset` knows all
        that the other knows, also where that one counts what a transaction wrote that was aborted."""

    def refresh(self, timeout_s: float = 30.0, whole: bool = True) -> bool:
        """Read on; whether anything has changed. See `CompactedDict.refresh`."""
        try:
            changes = self._records.refresh(timeout_s, whole)
        except UnknownTopic as error:
            raise UnknownTopic(f"{error}. {way_back(self._topic)}") from error
        for key, value in changes:
            self._state.apply(key, value)
        if self._followed:
            self._restarts += self._state.restarts
            self._levels += self._state.levels
        self._state.restarts, self._state.levels = [], []
        self._followed = True
        self.offset = self._records.after_last()
        self.position = self._records.position()
        return bool(changes)

    def connectors(self) -> dict[str, Configured]:
        """All connectors, as of the last `refresh`."""
        return self._state.connectors()

    def from_files(self) -> list[str]:
        """Names of the connectors that were taken from files last."""
        return list(self._state.files)

    def session_key(self) -> SessionKey | None:
        """The newest."""
        return self._state.session_key

    def take_restarts(self) -> list[RestartRequest]:
        """Requests that have come since the first `refresh`, each handed out once."""
        taken, self._restarts = self._restarts, []
        return taken

    def take_logger_levels(self) -> list[tuple[str, str]]:
        """(logger, level) that a user has set for all workers since the first `refresh`, each handed out once."""
        taken, self._levels = self._levels, []
        return taken

    def close(self) -> None:
        self._records.close()
