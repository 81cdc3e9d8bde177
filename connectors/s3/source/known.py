"""What is known of a task's objects: which are done, how far the others are; old ones by one mark for all."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from enum import Enum

from headwater.worker.api import Partition, Position

from .position import Found, Mark, ObjectPosition, Share, read_position

log = logging.getLogger(__name__)


class Wanted(Enum):
    """What to do with an object that was found."""

    DONE = "done"
    READ = "read"
    CHANGED = "changed"
    """It is another one than was read, or begun, under this key."""


class Known:
    """Positions by key, of the objects that no mark covers."""

    def __init__(self, bucket: str, prefix: str, share: Share) -> None:
        self.share = share
        self.mark = Mark(bucket, prefix, share)
        self._others: list[Mark] = []
        """Of other numbers of tasks, and prefixes: what they say stays true."""
        self._positions: dict[str, ObjectPosition] = {}

    def load(self, stored: Iterable[tuple[Partition, Position]]) -> None:
        """Raises `ValueError` for a position that is not of a format that this version knows."""
        for partition, position in stored:
            if partition.get("bucket") != self.mark.bucket:
                continue  # of another bucket, or of another connector class that had this name
            known = read_position(partition, position)
            if isinstance(known, Mark):
                if (known.prefix, known.share) == (self.mark.prefix, self.mark.share):
                    self.mark = known
                else:
                    self._others.append(known)
            elif self.share.has(known.key):
                self._positions[known.key] = known

    def __len__(self) -> int:
        return len(self._positions)

    def of(self, key: str) -> ObjectPosition | None:
        return self._positions.get(key)

    def read(self, position: ObjectPosition) -> None:
        self._positions[position.key] = position

    def forget(self, key: str) -> None:
        self._positions.pop(key, None)

    def done_keys(self, prefix: str) -> set[str]:
        return {key for key, position in self._positions.items() if position.done and key.startswith(prefix)}

    def wanted(self, found: Found) -> Wanted:
        """Of an object of this share."""
        known = self._positions.get(found.key)
        if known is not None:
            if known.etag != found.etag:
                return Wanted.CHANGED
            return Wanted.DONE if known.done else Wanted.READ
        if any(mark.covers(found.key, found.modified_ms) for mark in (self.mark, *self._others)):
            return Wanted.DONE
        return Wanted.READ
