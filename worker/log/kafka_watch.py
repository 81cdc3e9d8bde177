"""Follows topics that come, go and are made again under the same name, in a thread, so that no poll waits for it."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Final

from headwater.worker.api import HeadwaterError

from .kafka_topics import KafkaTopics

log = logging.getLogger(__name__)

_MISSING_TWICE: Final = 2
"""A broker that has just started may not know a topic yet: it is gone when it is missing this often in a row."""

Ids = Mapping[str, tuple[str, int]]


class TopicWatch:
    def __init__(self, topics: KafkaTopics, every_s: float) -> None:
        self._topics = topics
        self._every_s = every_s
        self._changed = threading.Condition()
        self._names: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self._matched: list[str] | None = None
        self._last_matched: list[str] = []
        self._missing: dict[str, int] = {}
        self._thread: threading.Thread | None = None
        self._round = 0
        self._closed = False
        self.seen: Ids | None = None
        """Topic id and partitions of every followed topic that exists; None until it was looked at."""

    def follow(self, names: Iterable[str], pattern: re.Pattern[str] | None) -> None:
        """These names, or those that the whole pattern matches. Looks at once, then again and again."""
        with self._changed:
            self._names, self._pattern = frozenset(names), pattern
            self._matched, self._last_matched, self._missing, self.seen = None, [], {}, None
            self._round += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kafka-topics", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def matched(self) -> list[str] | None:
        """The names that the pattern matches, sorted, where they have changed since the last call."""
        with self._changed:
            found, self._matched = self._matched, None
            return found

    def learn(self, ids: Ids) -> None:
        """Somebody has asked meanwhile; what was seen before is not held against it."""
        with self._changed:
            self._round += 1
            self.seen = None

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                round_, names, pattern = self._round, self._names, self._pattern
            try:
                wanted = names if pattern is None else {n for n in self._topics.names() if pattern.fullmatch(n)}
                found = self._topics.ids(wanted | self._last_seen())
            except HeadwaterError as error:
                log.debug("topics could not be looked at: %s", error)
                found = None
            with self._changed:
                if found is not None and round_ == self._round:
                    self._take(found, sorted(wanted & found.keys()), pattern is not None)
                if (round_ == self._round or found is None) and not self._closed:
                    self._changed.wait(self._every_s)

    def _last_seen(self) -> set[str]:
        seen = self.seen
        return set(seen) if seen is not None else set()

    def _take(self, found: Ids, matched: list[str], by_pattern: bool) -> None:
        known = dict(found)
        for name, before in (self.seen or {}).items():
            if name not in found:
                self._missing[name] = self._missing.get(name, 0) + 1
                if self._missing[name] < _MISSING_TWICE:
                    known[name] = before
        for name in found:
            self._missing.pop(name, None)
        self.seen = known
        if by_pattern and matched != self._last_matched:
            self._matched = self._last_matched = matched
