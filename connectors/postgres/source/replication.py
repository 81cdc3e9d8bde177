"""A replication connection: slots with exported snapshots, and the stream itself (COPY_BOTH), never blocking long.

Source: PostgreSQL docs, "Streaming Replication Protocol" and "libpq: COPY".
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import pq

from headwater.worker.api import Fatal, Retriable

from .connection import address, parameters
from .failures import failure
from .frame import status_update
from .lsn import format_lsn
from .settings import Settings

Row = dict[str, str | None]


class Replication:
    """Used by one thread."""

    def __init__(self, settings: Settings) -> None:
        self._where = f"the replication connection to {address(settings)}"
        try:
            self._connection = psycopg.connect(**parameters(settings, replication="database"), autocommit=True)
        except psycopg.Error as error:
            raise failure(error, f"opening {self._where}") from None
        self._pg: Any = self._connection.pgconn

    @property
    def pid(self) -> int:
        return int(self._pg.backend_pid)

    def command(self, text: str, timeout_s: float, stopping: Callable[[], bool] = lambda: False) -> list[Row]:
        """Run a replication command; it is cancelled after `timeout_s` or when `stopping` says so (`Retriable`)."""
        deadline = time.monotonic() + timeout_s
        self._pg.send_query(text.encode())
        while self._pg.is_busy():
            if time.monotonic() > deadline or stopping():
                self._cancel()
                raise Retriable(f"{text.split(' (')[0]} took longer than {timeout_s:.0f} s and was cancelled")
            self._wait(0.25)
            self._consume()
        rows: list[Row] = []
        while (result := self._pg.get_result()) is not None:
            if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
                error = psycopg.errors.error_from_result(result, encoding="utf-8")
                raise failure(error, f"{text.split(' (')[0]} over {self._where}")
            names = [(result.fname(i) or b"").decode() for i in range(result.nfields)]
            for number in range(result.ntuples):
                cells = [result.get_value(number, i) for i in range(result.nfields)]
                rows.append({n: None if c is None else c.decode() for n, c in zip(names, cells, strict=True)})
        return rows

    def start(self, slot: str, lsn: int, options: dict[str, str]) -> None:
        """Begin to stream every transaction that commits at or after `lsn`."""
        arguments = ", ".join(f"\"{name}\" '{value.replace(chr(39), chr(39) * 2)}'" for name, value in options.items())
        command = f'START_REPLICATION SLOT "{slot}" LOGICAL {format_lsn(lsn)} ({arguments})'
        result = self._pg.exec_(command.encode())
        if result.status != pq.ExecStatus.COPY_BOTH:
            error = psycopg.errors.error_from_result(result, encoding="utf-8")
            raise failure(error, f"streaming from slot {slot!r} over {self._where}")
        self._pg.nonblocking = 1

    def receive(self) -> memoryview | bytes | None:
        """The next frame that has arrived, or None. Raises `Retriable` when the stream has ended."""
        length, data = self._pg.get_copy_data(1)
        if length > 0:
            return data  # type: ignore[no-any-return]
        if length == 0:
            return None
        raise self._ended()

    def wait(self, timeout_s: float) -> bool:
        """Wait until bytes have come in and take them; False: none came."""
        if not self._wait(timeout_s):
            return False
        self._consume()
        return True

    def send_status(self, written: int, durable: int, ask: bool = False) -> None:
        """Tell the server what has been received and what is durable; `ask`: it shall answer."""
        frame = status_update(written, durable, durable, time.time_ns() // 1000, ask)
        try:
            self._pg.put_copy_data(frame)
            self._pg.flush()
        except psycopg.Error as error:
            raise failure(error, f"answering the server over {self._where}") from None

    def close(self) -> None:
        self._connection.close()

    def _cancel(self) -> None:
        try:
            self._connection.cancel_safe(timeout=5)
        except psycopg.Error:
            self._connection.close()  # ends the command, too

    def _wait(self, timeout_s: float) -> bool:
        poll = select.poll()  # select() refuses file descriptors above 1023
        try:
            poll.register(self._pg.socket, select.POLLIN)
        except psycopg.Error as error:
            raise Retriable(f"{self._where} is closed: {error}") from None
        return bool(poll.poll(max(0.0, timeout_s) * 1000))

    def _consume(self) -> None:
        try:
            self._pg.consume_input()
        except psycopg.Error as error:
            raise failure(error, f"{self._where} was cut") from None

    def _ended(self) -> Exception:
        try:
            result = self._pg.get_result()
        except psycopg.Error as error:
            return failure(error, f"{self._where} was cut")
        if result is not None and result.status == pq.ExecStatus.FATAL_ERROR:
            refused = psycopg.errors.error_from_result(result, encoding="utf-8")
            found = failure(refused, f"streaming over {self._where}")
            return found if not isinstance(found, Fatal) else explain(refused, found)
        return Retriable(f"the server ended {self._where} (it is shutting down). Headwater connects again")


def explain(error: psycopg.Error, found: Fatal) -> Fatal:
    """Add the way out to errors that PostgreSQL raises within the stream."""
    text = str(error)
    if "publication" in text and "does not exist" in text:
        return Fatal(
            f"{found}. The slot is older than the publication, and the server decodes old changes with the catalogue "
            "of their time. Make the publication again under that name does not help: drop the slot, delete this "
            "connector's offsets (a new snapshot is then taken) and start again"
        )
    if "requested WAL segment" in text or "can no longer get changes" in text or "invalidated" in text:
        return Fatal(
            f"{found}. The server has dropped WAL that was not read yet (max_slot_wal_keep_size): changes are lost. "
            "Drop the slot, delete this connector's offsets and topics and start again: a new snapshot is then taken"
        )
    return found
