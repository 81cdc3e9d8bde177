"""One worker a data directory: two would start every task twice and fence each other for ever."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .refusals import WorkerRunning

__all__ = ["DataDirLock"]

FILE_NAME = "worker.lock"


class DataDirLock:
    """Held from `acquire` until `release` or the end of the process, however it ends. The file names the process."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE_NAME
        self._file = -1

    def acquire(self) -> None:
        """Raises `WorkerRunning`, `OSError`."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(file, 32).decode(errors="replace").strip() or "?"
            os.close(file)
            raise WorkerRunning(
                f"the data directory {self._path.parent} is used by another worker, process {holder}. Stop that one, "
                "or give this one a directory of its own (--data DIR)"
            ) from error
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file

    def release(self) -> None:
        """May be called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
