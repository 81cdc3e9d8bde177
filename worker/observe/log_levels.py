"""Levels of loggers, shown and changed while the process runs, under the names that log4j gives them.

Source of the rules: `org.apache.kafka.connect.runtime.Loggers` (Kafka 4.3): a level holds for a logger and all
below it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["LogLevel", "LogLevels", "set_levels"]

ROOT: Final = "root"
_NUMBERS: Final = {
    "ALL": 1, "TRACE": 5, "DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50, "OFF": 60,
    "WARNING": 30, "CRITICAL": 50,
}  # fmt: skip
_NAMES: Final = {1: "ALL", 5: "TRACE", 10: "DEBUG", 20: "INFO", 30: "WARN", 40: "ERROR", 50: "FATAL", 60: "OFF"}


class LogLevel(NamedTuple):
    """`last_modified`: milliseconds since 1970; None: it is as it was when the process started."""

    level: str
    last_modified: int | None


class LogLevels:
    """The levels of this process. Any thread may call the methods."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._modified: dict[str, int] = {}
        self._set: dict[str, str] = {}

    def all(self) -> dict[str, LogLevel]:
        """Loggers with a level of their own, sorted by name, and `root`."""
        found = {logger.name: self._of(logger) for logger in _known() if logger.level != logging.NOTSET}
        return dict(sorted({**found, ROOT: self._of(logging.getLogger())}.items()))

    def one(self, name: str) -> LogLevel | None:
        """The level that is in effect; None: no logger has this name."""
        if name.lower() == ROOT:
            return self._of(logging.getLogger())
        return next((self._of(logger) for logger in _known() if logger.name == name), None)

    def set(self, name: str, level: str) -> list[str]:
        """The names of all loggers for which it holds, sorted. Raises `ValueError` where there is no such level."""
        number = level_number(level)
        with self._lock:
            root = name.lower() == ROOT
            before = {logger.name: logger.level for logger in [logging.getLogger(), *_known()]}
            affected = set_levels({name: level})
            changed = [n for n in affected if _of_its_own(n) == number and before.get(n, logging.NOTSET) != number]
            self._modified.update(dict.fromkeys(changed, time.time_ns() // 1_000_000))
            if root:
                self._set.clear()  # it holds for all below it: what was set before is of no meaning any more
            self._set = {other: text for other, text in self._set.items() if not other.startswith(f"{name}.")}
            self._set[ROOT if root else name] = level.upper()
            return affected

    def changes(self) -> dict[str, str]:
        """What was set since the start, by name, `root` first: other processes of this worker take it over."""
        with self._lock:
            return dict(sorted(self._set.items(), key=lambda entry: (entry[0] != ROOT, entry[0])))

    def _of(self, logger: logging.Logger) -> LogLevel:
        number = logger.getEffectiveLevel()
        name = _NAMES.get(number) or logging.getLevelName(number)
        return LogLevel(name, self._modified.get(ROOT if logger is logging.getLogger() else logger.name))


def set_levels(levels: Mapping[str, str]) -> list[str]:
    """Set levels in this process, one after the other. Returns the names of all loggers for which they hold, sorted.

    Raises `ValueError` where there is no such level.
    """
    affected: set[str] = set()
    for name, level in levels.items():
        number = level_number(level)
        root = name.lower() == ROOT
        below = [logger for logger in _known() if root or logger.name.startswith(f"{name}.")]
        for logger in below:
            if logger.level != logging.NOTSET:
                logger.setLevel(number)
        logging.getLogger(None if root else name).setLevel(number)
        affected |= {ROOT if root else name, *(logger.name for logger in below)}
    return sorted(affected)


def _known() -> list[logging.Logger]:
    """Loggers that exist; asking for one by name would make it."""
    known = list(logging.root.manager.loggerDict.values())
    return [logger for logger in known if isinstance(logger, logging.Logger)]


def _of_its_own(name: str) -> int:
    return logging.getLogger(None if name == ROOT else name).level


def level_number(level: str) -> int:
    number = _NUMBERS.get(level.upper())
    if number is None:
        raise ValueError(f"invalid log level '{level}'.")
    return number
