"""One connection to the embedded log's file: short reads, and one writer at a time over all processes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from headwater.worker.api import Retriable

from .contract import LogError
from .embedded_format import PAGE_BYTES, create_or_upgrade, is_current
from .file_lock import FileLock
from .storage_errors import explain, network_file_system, storage_errors

_WAIT_S: Final = 60.0
_CHECKPOINT_BYTES: Final = 32 << 20
_WAL_LIMIT_BYTES: Final = 256 << 20
_CACHE_KIB: Final = 16384


class Store:
    """Belongs to one thread at a time. Writers queue on a lock file beside the log, not in SQLite's polling with long
    sleeps; checkpoints happen under the same lock, so none ever runs beside another process's write."""

    def __init__(self, path: Path) -> None:
        """Open the file, making or upgrading it where needed. Raises `LogError`, `Retriable`."""
        self.path = path
        self._wal = f"{path}-wal"
        self._closed = False
        with storage_errors(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            network = network_file_system(path.parent)
            if network is not None:
                raise LogError(
                    f"embedded log {path}: {path.parent} is on a network file system ({network}), which cannot share "
                    "the log's memory and locks. Choose a folder on a local disk with --data."
                )
            self._lock = FileLock(path.with_name(path.name + "-lock"))
        try:
            with storage_errors(path):
                self._connection = self._connect()
        except BaseException:
            self._lock.close()
            raise

    def read(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of one statement; no read outlives the call, so that checkpoints are never held up."""
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    @contextmanager
    def rows(self, statement: str, values: Sequence[Any] = ()) -> Iterator[sqlite3.Cursor]:
        """The rows of one statement, to be read within the block only."""
        with storage_errors(self.path):
            cursor = self._connection.execute(statement, values)
            try:
                yield cursor
            finally:
                cursor.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read within the block is of one moment. Short: it holds up checkpoints."""
        self.read("BEGIN")
        try:
            yield
        finally:
            if self._connection.in_transaction:  # some errors end it by themselves
                self.read("ROLLBACK")

    def changes(self) -> int:
        """A number that differs when another connection has committed since the last call. Costs microseconds."""
        return int(self.read("PRAGMA data_version")[0][0])

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction, begun as the only writer. Nothing of it stays after an error.

        Raises `Retriable` (disk full, locked for a minute), `LogError`.
        """
        with storage_errors(self.path), self._writing():
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self._bound_wal()

    def give_back_pages(self, pages: int) -> None:
        """Return up to `pages` free pages at the file's end to the file system."""
        with storage_errors(self.path), self._writing():
            self._connection.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()

    def close(self) -> None:
        """May be called twice."""
        if self._closed:
            return
        self._closed = True
        # The last connection to close writes the WAL back: under the lock like every checkpoint, if it can be had.
        held = self._lock.acquire(1.0)
        try:
            with storage_errors(self.path):
                self._connection.close()
        finally:
            if held:
                self._lock.release()
            self._lock.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if not self._lock.acquire(_WAIT_S):
            raise Retriable(
                f"embedded log {self.path}: another process has been writing for {_WAIT_S:.0f} s. Headwater tries "
                "again. Look for a suspended Headwater process."
            )
        try:
            yield
        finally:
            self._lock.release()

    def _make_private(self) -> None:
        """Topics hold copies of whole databases: the file, and the ones that SQLite puts beside it, are the user's."""
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))

    def _connect(self) -> sqlite3.Connection:
        if not self.path.exists():
            with self._writing():
                self._make_private()
        connection = sqlite3.connect(
            self.path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            if not is_current(connection, self.path):
                with self._writing():
                    create_or_upgrade(connection, self.path)
            ((mode,),) = connection.execute("PRAGMA journal_mode").fetchall()
            if mode != "wal":
                connection.execute("PRAGMA journal_mode = WAL").fetchall()
            for pragma in (
                "synchronous = FULL",
                "fullfsync = 1",
                "checkpoint_fullfsync = 1",
                f"wal_autocheckpoint = {_CHECKPOINT_BYTES // PAGE_BYTES}",
                f"journal_size_limit = {_CHECKPOINT_BYTES * 2}",
                f"cache_size = -{_CACHE_KIB}",
                "temp_store = MEMORY",
            ):
                connection.execute(f"PRAGMA {pragma}").fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    def _bound_wal(self) -> None:
        """SQLite's own checkpoint never cuts the WAL while some reader is in it; here, now and then, we wait for that.

        What was committed stays committed: an error here is left to the next commit, which meets it again.
        """
        with suppress(OSError, sqlite3.Error):
            if os.stat(self._wal).st_size < _WAL_LIMIT_BYTES:
                return
            self._connection.execute("PRAGMA busy_timeout = 1000").fetchall()
            try:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                self._connection.execute(f"PRAGMA busy_timeout = {int(_WAIT_S * 1000)}").fetchall()
