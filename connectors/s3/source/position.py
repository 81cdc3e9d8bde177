"""How far objects have been read, as it is stored: a position for each young object, and one mark for all old ones.

An object: partition {"bucket", "key"}, position, format 1: {"format": 1, "etag", "modified_ms", "byte", "line", "row",
"shape", "done"}; what is empty or 0 is left out. `byte`, `line`, `row` and `shape` are a `formats.Place`.

A mark: partition {"bucket", "prefix", "share"}, `share` being "0/2", the first of two tasks. Position, format 1:
{"format": 1, "before_ms", "after", "sweep_ms"}: of this share, all objects below `prefix` whose last modification is
not after `before_ms` are done; of those with keys up to `after`, all that are not after `sweep_ms`.
Times are S3's own, milliseconds since 1970.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, replace
from typing import NamedTuple

from headwater.connectors.formats import START, Place
from headwater.connectors.formats.position_fields import number, text
from headwater.worker.api import Partition, Position

FORMAT = 1


class Found(NamedTuple):
    """An object as it was listed, or told of. `etag` without quotes; where the store has none, `~` and what tells one
    object from another all the same."""

    key: str
    etag: str
    size: int
    modified_ms: int


_OF_PARTITION = re.compile(r"(.+?\+\d+)\+.+")
"""Names that sinks give: topic, partition, offset. What was in one partition stays in order, so one task reads it."""


@dataclass(frozen=True, slots=True)
class Share:
    """Which objects are this task's: those whose key falls to it, or the topic and partition in their names."""

    index: int = 0
    count: int = 1

    def has(self, key: str) -> bool:
        if self.count == 1:
            return True
        found = _OF_PARTITION.fullmatch(key, key.rfind("/") + 1)
        return zlib.crc32((found[1] if found else key).encode()) % self.count == self.index

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


@dataclass(frozen=True, slots=True)
class ObjectPosition:
    bucket: str
    key: str
    etag: str
    modified_ms: int
    place: Place = START
    done: bool = False

    @property
    def partition(self) -> Partition:
        return {"bucket": self.bucket, "key": self.key}

    def stored(self) -> Position:
        place = self.place
        first = {"format": FORMAT, "etag": self.etag, "modified_ms": self.modified_ms}
        more = {"byte": place.byte, "line": place.line, "row": place.row, "shape": place.shape, "done": self.done}
        return first | {name: value for name, value in more.items() if value}

    def moved_to(self, place: Place, done: bool) -> ObjectPosition:
        """The shape, all columns of a CSV file say, is of use to those who go on in the midst alone."""
        return replace(self, place=place._replace(shape="") if done else place, done=done)


@dataclass(frozen=True, slots=True)
class Mark:
    bucket: str
    prefix: str
    share: Share
    before_ms: int = 0
    after: str = ""
    sweep_ms: int = 0

    @property
    def partition(self) -> Partition:
        return {"bucket": self.bucket, "prefix": self.prefix, "share": str(self.share)}

    def stored(self) -> Position:
        more = {"after": self.after, "sweep_ms": self.sweep_ms}
        return {"format": FORMAT, "before_ms": self.before_ms} | {name: v for name, v in more.items() if v}

    def covers(self, key: str, modified_ms: int) -> bool:
        """Is this object done, whatever else is known of it? Keys are ordered as S3 lists them."""
        if not key.startswith(self.prefix) or not self.share.has(key):
            return False
        return modified_ms <= max(self.before_ms, self.sweep_ms if key <= self.after else 0)


def read_position(partition: Partition, position: Position) -> ObjectPosition | Mark:
    """Raises `ValueError` for one that is not of this format."""
    if position.get("format") != FORMAT:
        raise ValueError(f'"format" is {position.get("format")!r}; this version reads {FORMAT}')
    bucket = text(partition, "bucket")
    if "share" in partition:
        share = _share(text(partition, "share"))
        before_ms, sweep_ms = number(position, "before_ms"), number(position, "sweep_ms", 0)
        return Mark(bucket, text(partition, "prefix"), share, before_ms, text(position, "after", ""), sweep_ms)
    place = Place(number(position, "byte", 0), number(position, "line", 0), number(position, "row", 0),
                  text(position, "shape", ""))  # fmt: skip
    return ObjectPosition(
        bucket=bucket,
        key=text(partition, "key"),
        etag=text(position, "etag"),
        modified_ms=number(position, "modified_ms"),
        place=place,
        done=bool(position.get("done", False)),
    )


def _share(text: str) -> Share:
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise ValueError(f'"share" must be like "0/2", not {text!r}')
    return Share(int(index), int(count))
