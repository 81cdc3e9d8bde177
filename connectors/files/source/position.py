"""How far a file has been read, as it is stored, and how the file is known again.

A file is known by its inode number, under whatever name: partition {"inode": 4711}. Position, format 1:
{"format": 1, "path", "inode", "byte", "line", "row", "shape", "head", "head_bytes", "tail", "tail_bytes", "size",
"mtime_ns", "done"}; what is empty or 0 is left out. `head`: digest of the file's first bytes, `tail`: of those before
`byte`, by which a file that was cut off or whose number another one got is noticed. `size` and `mtime_ns`: as they were
when everything had been read; -1 while there is more. `done`: complete and wholly read.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace

from headwater.connectors.formats import START, Place
from headwater.connectors.formats.position_fields import number, text
from headwater.worker.api import Partition, Position

FORMAT = 1
HEAD_BYTES = 1024
TAIL_BYTES = 256


@dataclass(frozen=True, slots=True)
class FilePosition:
    path: str
    inode: int
    place: Place = START
    head: str = ""
    head_bytes: int = 0
    tail: str = ""
    tail_bytes: int = 0
    size: int = -1
    mtime_ns: int = -1
    done: bool = False

    @property
    def partition(self) -> Partition:
        return {"inode": self.inode}

    def stored(self) -> Position:
        place = self.place
        first = {"format": FORMAT, "path": self.path, "inode": self.inode, "byte": place.byte, "line": place.line}
        more = {"row": place.row, "shape": place.shape, "head": self.head, "head_bytes": self.head_bytes,
                "tail": self.tail, "tail_bytes": self.tail_bytes, "done": self.done}  # fmt: skip
        last = {"size": self.size, "mtime_ns": self.mtime_ns}
        return first | {name: value for name, value in more.items() if value} | last

    def of_file(self, descriptor: int) -> bool:
        """Does this open file begin with the bytes that were read, and are those before `byte` the same?"""
        if digest(descriptor, 0, self.head_bytes) != (self.head, self.head_bytes):
            return False
        begin = self.place.byte - self.tail_bytes
        return not self.tail_bytes or digest(descriptor, begin, self.tail_bytes) == (self.tail, self.tail_bytes)

    def moved_to(self, place: Place, descriptor: int, plain: bool) -> FilePosition:
        """`plain`: bytes of the place are bytes of the file, which compressed ones are not."""
        head, head_bytes = self.head, self.head_bytes
        if head_bytes < HEAD_BYTES:
            head, head_bytes = digest(descriptor, 0, HEAD_BYTES)
        tail, tail_bytes = "", 0
        if plain and place.byte:
            begin = max(0, place.byte - TAIL_BYTES)
            tail, tail_bytes = digest(descriptor, begin, place.byte - begin)
        return replace(self, place=place, head=head, head_bytes=head_bytes, tail=tail, tail_bytes=tail_bytes,
                       size=-1, mtime_ns=-1, done=False)  # fmt: skip


def digest(descriptor: int, at: int, size: int) -> tuple[str, int]:
    """Of so many bytes, as far as they are there; with their number."""
    data = os.pread(descriptor, size, at) if size else b""
    return (hashlib.blake2b(data, digest_size=8).hexdigest() if data else ""), len(data)


def read_position(partition: Partition, position: Position) -> FilePosition:
    """Raises `ValueError` for one that is not of this format."""
    if position.get("format") != FORMAT:
        raise ValueError(f'"format" is {position.get("format")!r}; this version reads {FORMAT}')
    inode = number(partition, "inode")
    place = Place(number(position, "byte"), number(position, "line", 0), number(position, "row", 0),
                  text(position, "shape", ""))  # fmt: skip
    return FilePosition(
        path=text(position, "path"),
        inode=inode,
        place=place,
        head=text(position, "head", ""),
        head_bytes=number(position, "head_bytes", 0),
        tail=text(position, "tail", ""),
        tail_bytes=number(position, "tail_bytes", 0),
        size=number(position, "size", -1),
        mtime_ns=number(position, "mtime_ns", -1),
        done=bool(position.get("done", False)),
    )
