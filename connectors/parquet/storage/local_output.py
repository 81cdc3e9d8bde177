"""A local file on its way to becoming visible."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, BinaryIO, Final

from .local_errors import file_errors
from .paths import unfinished_name
from .syncing import make_folders, sync_folder

SYNC_EVERY: Final = 64 * 1024 * 1024
"""Bytes after which the system starts to write back, so that `publish` does not have to wait for all of it."""


class LocalOutput:
    """See `contract.Output`."""

    buffered_bytes = 0

    def __init__(self, target: Path) -> None:
        self._target = target
        self._made = target.with_name(unfinished_name())
        self._written = 0
        self._synced = 0
        self._file: BinaryIO | None = None
        with file_errors("write", str(target)):
            try:
                self._file = self._made.open("xb", buffering=0)
            except FileNotFoundError:
                make_folders(target.parent)
                self._file = self._made.open("xb", buffering=0)

    @property
    def closed(self) -> bool:
        return self._file is None

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        with file_errors("write", str(self._target)):
            done = 0
            while done < len(view):  # the system may take a part: near the end of the disk, or above 2 GB
                done += os.write(self._open().fileno(), view[done:])
            self._written += done
            if self._written - self._synced >= SYNC_EVERY:
                os.fdatasync(self._open().fileno())
                self._synced = self._written
        return done

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """Nothing is buffered here."""

    def close(self) -> None:
        """Left to `publish` and `discard`."""

    def publish(self) -> None:
        file = self._open()
        try:
            with file_errors("publish", str(self._target)):
                os.fsync(file.fileno())
                file.close()
                self._made.rename(self._target)
                self._file = None
                sync_folder(self._target.parent)
        finally:
            self.discard()

    def discard(self) -> None:
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            self._file.close()
        self._file = None
        with contextlib.suppress(OSError):
            self._made.unlink()

    def _open(self) -> BinaryIO:
        if self._file is None:
            raise ValueError(f"{self._target} is published or discarded")
        return self._file
