"""One open file: its bytes, however often they are asked for, through one descriptor, whatever its name becomes."""

from __future__ import annotations

import io
import os
from typing import BinaryIO, cast

from headwater.connectors.formats import codec_of, decompressed

_BUFFER = 256 * 1024


class OpenFile:
    """A `formats.Content`: the file up to the size that it had when it was opened."""

    def __init__(self, path: str, codec: str, complete: bool) -> None:
        """`codec` auto: told by the first bytes. Raises `OSError`."""
        self.path = path
        self.complete = complete
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        at = os.fstat(self.descriptor)
        self.inode, self.size, self.mtime_ns = at.st_ino, at.st_size, at.st_mtime_ns
        self.codec = codec_of(os.pread(self.descriptor, 4, 0)) if codec == "auto" else codec

    @property
    def plain(self) -> bool:
        return self.codec == "none"

    def open(self, at: int = 0) -> BinaryIO:
        raw = cast(BinaryIO, io.BufferedReader(_Bytes(self.descriptor, self.size), _BUFFER))
        return decompressed(raw, self.codec, at, self.complete)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class _Bytes(io.RawIOBase):
    """The first `size` bytes behind a descriptor that others read through as well."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor, self._size, self._at = descriptor, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        data = os.pread(self._descriptor, max(0, min(len(view), self._size - self._at)), self._at)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
