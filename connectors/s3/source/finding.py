"""When to look for objects, and in which way: listings and the queue, or what a view tells of itself."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from headwater.worker.api import Fatal, Values

from .events import Events
from .known import Known
from .listing import Bucket, Tails
from .opening import Opening
from .position import Found
from .sweep import Positions, Sweep
from .view_files import ViewFiles

REQUESTS_AT_ONCE = 20
"""Requests of one step: none takes long."""


class Finding(Protocol):
    """Called again and again while nothing is left to read."""

    @property
    def leaves(self) -> bool:
        """Is there something that `leave` is to be asked for, now that all that was found is done?"""
        ...

    def leave(self) -> Positions:
        """What is to be stored; may be empty."""
        ...

    def look(self, timeout_s: float) -> Sequence[Found] | None:
        """One step: objects that may be new, of all tasks. None: nothing is due. Raises `Retriable`, `Fatal`."""
        ...

    @property
    def pause_s(self) -> float:
        """Until something is due."""
        ...


class Listed:
    """A listing of everything at the start and now and then; in between the ends of folders, or the queue."""

    def __init__(self, bucket: Bucket, prefix: str, known: Known, values: Values, events: Events | None) -> None:
        self._bucket, self._prefix, self._known, self._events = bucket, prefix, known, events
        self._poll_s: float = values["s3.poll.interval.ms"] / 1000
        self._full_s: float = values["listing.full.interval.ms"] / 1000
        self._remember_ms: int = values["remember.ms"]
        self._tails = Tails(bucket, prefix, self._poll_s)
        self._sweep: Sweep | None = None
        self._next_sweep = self._next_poll = 0.0
        self._due: list[str] = []
        self._polled = False
        """Was it a poll's turn before?"""
        self.rounds = 0
        """Polls, and listings of everything, that have been ended."""

    @property
    def leaves(self) -> bool:
        return self._sweep is not None and self._sweep.waits

    def leave(self) -> Positions:
        assert self._sweep is not None
        stored = self._sweep.leave()
        if self._sweep.ended:
            self._sweep = None
            self._next_poll = time.monotonic() + self._poll_s
            self._next_sweep = time.monotonic() + max(self._full_s, self._poll_s)
            self.rounds += 1
        return stored

    def look(self, timeout_s: float) -> Sequence[Found] | None:
        listing = self._sweep is not None or time.monotonic() >= self._next_sweep
        # They take turns: with very many folders one or the other is always due.
        if self._events is None and not (listing and self._polled) and (found := self._poll()) is not None:
            self._polled = True
            return found
        self._polled = False
        if self._sweep is None and listing:
            self._sweep = Sweep(self._bucket, self._prefix, self._known, self._remember_ms)
        if self._sweep is not None:
            page = self._sweep.next_page()
            for each in page if self._events is None else ():
                self._tails.saw(each, self._sweep.clock_ms)
            return page
        return self._receive(timeout_s)

    def _poll(self) -> list[Found] | None:
        """Some of the folders' ends that are due. None: none is."""
        if not self._due:
            if time.monotonic() < self._next_poll or not self.rounds:
                return None
            self._due = self._tails.due(self._poll_s / 2)
            self._next_poll = time.monotonic() + self._poll_s
        found: list[Found] = []
        for _ in range(min(REQUESTS_AT_ONCE, len(self._due))):
            found += self._tails.look(self._due.pop())
        if not self._due:
            self.rounds += 1
            self._due = self._tails.due()  # folders that are new, or have more than a page
        return found

    def _receive(self, timeout_s: float) -> list[Found] | None:
        if self._events is None:
            return None
        found = []
        for key in sorted(self._events.receive(timeout_s)):
            there = self._bucket.head(key) if key.startswith(self._prefix) else None
            if there is None:
                self._events.done(key)
            else:
                found.append(there)
        return found or None

    @property
    def pause_s(self) -> float:
        if self._events is not None:
            return 0.0
        return max(0.0, min(self._next_poll, self._next_sweep) - time.monotonic())


class Viewed:
    """Files of a Parquet view, each once. `opening`: is told which table each belongs to; `read`: keys of what any task
    of the connector has read before."""

    def __init__(
        self, bucket: Bucket, prefix: str, known: Known, values: Values, opening: Opening, read: Iterable[str]
    ) -> None:
        self._bucket, self._prefix, self._known, self._opening = bucket, prefix, known, opening
        self._files = ViewFiles(bucket, prefix)
        self._poll_s: float = values["s3.poll.interval.ms"] / 1000
        self._next = 0.0
        self._todo: list[str] = []
        self._changed = False
        self._missing: set[str] = set()
        generation = re.compile(rf"{re.escape(prefix)}g(\d+)/")
        self._generations = {int(found[1]) for key in read if (found := generation.match(key))}
        """Those of which files are in the topics, whichever task has read them."""
        self.rounds = 0

    @property
    def leaves(self) -> bool:
        return self._changed and not self._todo

    def leave(self) -> Positions:
        """Files that the view does not name any more are forgotten."""
        self._changed = False
        gone = self._known.done_keys(self._prefix) - self._files.files.keys()
        forgotten = [position for key in gone if (position := self._known.of(key)) is not None]
        for position in forgotten:
            self._known.forget(position.key)
        return [(position.partition, None) for position in forgotten]

    def look(self, timeout_s: float) -> Sequence[Found] | None:
        if self._todo:
            some, self._todo = self._todo[:REQUESTS_AT_ONCE], self._todo[REQUESTS_AT_ONCE:]
            return [found for key in some if (found := self._head(key)) is not None]
        if time.monotonic() < self._next:
            return None
        self._next = time.monotonic() + self._poll_s
        self.rounds += 1
        if not self._files.look():
            return None
        self._opening.tables = self._files.files
        self._of_one_generation()
        self._todo = [key for key in self._files.files if self._is_left(key)]
        self._changed = True
        return []

    def _is_left(self, key: str) -> bool:
        position = self._known.of(key)
        return self._known.share.has(key) and (position is None or not position.done)

    def _head(self, key: str) -> Found | None:
        """None: a newer state of the view may have replaced it. Raises `Fatal` where it has not."""
        found = self._bucket.head(key)
        if found is None:
            if key in self._missing:
                raise Fatal(
                    f"there is no s3://{self._bucket.name}/{key}, which the view's current.json names. Put the file "
                    "back, or rebuild the view"
                )
            self._missing.add(key)
            self._files.read_anew()
            self._next = 0.0
        return found

    def _of_one_generation(self) -> None:
        now = self._files.generation
        others = sorted(self._generations - {now})
        if others:
            raise Fatal(
                f"the view at s3://{self._bucket.name}/{self._prefix} was rebuilt: it is generation {now} now, and "
                f"rows of generation {others[-1]} have been written to the topics already. Nothing is lost. To read "
                "the new one into other topics, reset the offsets"
            )
        if self._files.files:
            self._generations.add(now)

    @property
    def pause_s(self) -> float:
        return max(0.0, self._next - time.monotonic())
