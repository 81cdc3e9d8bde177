"""The files of one task: how far each has been read, which are to be read next, which are gone."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headwater.worker.api import Partition, Position

from .listing import Found
from .position import FilePosition, read_position
from .reading import quiet

FORGET_AFTER_S = 24 * 3600.0
"""A kept file that is gone for so long is forgotten: until then it may have been a file system that was not there."""


@dataclass(frozen=True, slots=True)
class Share:
    """Which files are this task's: those whose inode number falls to it."""

    index: int = 0
    count: int = 1

    def has(self, inode: int) -> bool:
        return self.count == 1 or zlib.crc32(b"%d" % inode) % self.count == self.index


class Known:
    """Positions by inode number."""

    def __init__(self, share: Share, complete_after_ms: int) -> None:
        self._share = share
        self._complete_after_ms = complete_after_ms
        self._positions: dict[int, FilePosition] = {}
        self._missing: dict[int, float] = {}

    def load(self, stored: Iterable[tuple[Partition, Position]]) -> None:
        """Raises `ValueError` for a position that is not of a format that this version knows."""
        for partition, position in stored:
            if "inode" not in partition:
                continue  # of another connector class that had this name
            known = read_position(partition, position)
            if self._share.has(known.inode):
                self._positions[known.inode] = known

    def of(self, inode: int) -> FilePosition | None:
        return self._positions.get(inode)

    def read(self, position: FilePosition) -> None:
        self._positions[position.inode] = position

    def forget(self, inode: int) -> None:
        self._positions.pop(inode, None)
        self._missing.pop(inode, None)

    def done(self) -> list[FilePosition]:
        return [position for position in self._positions.values() if position.done]

    def own(self, listed: Iterable[int]) -> set[int]:
        """This task's, of these inode numbers."""
        return {inode for inode in listed if self._share.has(inode)}

    def to_read(self, listed: Mapping[int, Found]) -> list[Found]:
        """Files with something new; one that has become complete is read once more, for a row without an end."""
        return [found for found in listed.values() if self._share.has(found.inode) and self._wanted(found)]

    def _wanted(self, found: Found) -> bool:
        known = self._positions.get(found.inode)
        if known is None or (found.size, found.mtime_ns) != (known.size, known.mtime_ns):
            return True
        return not known.done and quiet(found.mtime_ns, self._complete_after_ms)

    def gone(self, listed: Mapping[int, Found], finishes: bool) -> list[FilePosition]:
        """Files that have not been there for long enough to forget them; at once where they were done with."""
        now = time.monotonic()
        gone = []
        for inode, known in self._positions.items():
            if inode in listed:
                self._missing.pop(inode, None)
                continue
            since = self._missing.setdefault(inode, now)
            if now - since >= FORGET_AFTER_S or (finishes and known.done and since < now):
                gone.append(known)
        return gone
