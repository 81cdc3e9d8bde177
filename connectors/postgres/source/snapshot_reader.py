"""Reads tables chunk by chunk over several connections that share one snapshot, and hands the rows over in order.

Threads only move bytes: they wait for the server while the task's thread decodes. Tables follow each other, chunks of a
table follow its key, so that a position within them is one key; parallel threads read ahead of it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import psycopg

from headwater.worker.api import HeadwaterError

from . import chunks
from .connection import Connection
from .failures import failure

BLOCK_ROWS = 256
BLOCK_BYTES = 256 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ToRead:
    """A table and the key after which to begin."""

    relation: chunks.Relation
    after: chunks.Key | None


@dataclass(slots=True)
class Chunk:
    """`table`: its place in the list of tables. `blocks`: whole lines of COPY, as bytes; `done`: no more will come."""

    table: int
    lower: chunks.Key | None
    upper: chunks.Key | None
    last: bool
    blocks: deque[bytes] = field(default_factory=deque)
    waiting_rows: int = 0
    waiting_bytes: int = 0
    done: bool = False


class _Closed(Exception):
    pass


class SnapshotReader:
    """One thread for each connection, which must stand in a transaction of the shared snapshot."""

    def __init__(
        self,
        connections: Sequence[Connection],
        tables: Sequence[ToRead],
        chunk_rows: int,
        ahead_rows: int,
        ahead_bytes: int,
    ) -> None:
        """`ahead_rows`, `ahead_bytes`: how much each chunk may hold that was not taken yet."""
        self._connections = list(connections)
        self._chunk_rows = chunk_rows
        self._ahead_rows, self._ahead_bytes = ahead_rows, ahead_bytes
        self._tables = list(tables)
        self._next = self._plan()
        self._planning = threading.Lock()
        self._changed = threading.Condition()
        self._chunks: deque[Chunk] = deque()
        self._in_flight = len(self._connections) + 1
        self._planned_all = not self._tables
        self._error: HeadwaterError | None = None
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, args=(c,), name=f"snapshot-{n}", daemon=True)
            for n, c in enumerate(self._connections)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def finished(self) -> bool:
        with self._changed:
            return self._planned_all and not self._chunks and self._error is None

    def take(self, timeout_s: float) -> tuple[Chunk, bytes | None] | None:
        """The next block of rows; (chunk, None) when that chunk has ended. None: nothing after `timeout_s`.

        Raises what a thread ran into.
        """
        with self._changed:
            if not self._changed.wait_for(self._ready, timeout_s) or not self._chunks:
                if self._error is not None:
                    raise self._error
                return None
            chunk = self._chunks[0]
            if chunk.blocks:
                block = chunk.blocks.popleft()
                chunk.waiting_rows -= block.count(b"\n")
                chunk.waiting_bytes -= len(block)
                self._changed.notify_all()
                return chunk, block
            if self._error is not None:
                raise self._error
            self._chunks.popleft()
            self._changed.notify_all()
            return chunk, None

    def close(self, timeout_s: float) -> None:
        """Stop reading and close the connections."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for connection, thread in zip(self._connections, self._threads, strict=True):
            if thread.is_alive():
                try:
                    connection.cancel_safe(timeout=timeout_s)
                except psycopg.Error as error:
                    _log.debug("cancelling a snapshot query: %s", error)
        for thread in self._threads:
            thread.join(timeout_s)
        for connection in self._connections:
            connection.close()

    def _ready(self) -> bool:
        if self._error is not None or self._closed or (self._planned_all and not self._chunks):
            return True
        return bool(self._chunks) and (bool(self._chunks[0].blocks) or self._chunks[0].done)

    def _run(self, connection: Connection) -> None:
        try:
            while (chunk := self._take_chunk(connection)) is not None:
                self._read(connection, chunk)
        except _Closed:
            return
        except psycopg.Error as error:
            self._fail(failure(error, "reading the snapshot"))
        except HeadwaterError as error:
            self._fail(error)

    def _take_chunk(self, connection: Connection) -> Chunk | None:
        with self._planning:
            with self._changed:
                self._changed.wait_for(lambda: len(self._chunks) < self._in_flight or self._closed)
                if self._closed or self._error is not None:
                    raise _Closed
            chunk = self._next_chunk(connection)
            with self._changed:
                if chunk is None:
                    self._planned_all = True
                else:
                    self._chunks.append(chunk)
                self._changed.notify_all()
            return chunk

    def _next_chunk(self, connection: Connection) -> Chunk | None:
        planned = next(self._next, None)
        if planned is None:
            return None
        number, table, lower = planned
        chunk = Chunk(number, lower, None, True)
        if table.relation.key:
            found = connection.execute(chunks.boundary_query(table.relation, lower, self._chunk_rows)).fetchall()
            if len(found) == 2:
                chunk.upper, chunk.last = tuple(map(str, found[0])), False
        self._lower = chunk.upper
        return chunk

    def _plan(self) -> Iterator[tuple[int, ToRead, chunks.Key | None]]:
        """Where each chunk begins; `_lower` tells where the last one ended (None: with its table)."""
        for number, table in enumerate(self._tables):
            self._lower = table.after
            yield number, table, self._lower
            while self._lower is not None:
                yield number, table, self._lower

    def _read(self, connection: Connection, chunk: Chunk) -> None:
        relation = self._tables[chunk.table].relation
        parts: list[bytes] = []
        size = 0
        with (
            connection.cursor() as cursor,
            cursor.copy(chunks.copy_statement(relation, chunk.lower, chunk.upper)) as copy,
        ):
            for line in copy:
                parts.append(bytes(line))
                size += len(parts[-1])
                if len(parts) == BLOCK_ROWS or size >= BLOCK_BYTES:
                    self._put(chunk, parts, size)
                    parts, size = [], 0
        if parts:
            self._put(chunk, parts, size)
        with self._changed:
            chunk.done = True
            self._changed.notify_all()

    def _put(self, chunk: Chunk, parts: list[bytes], size: int) -> None:
        def room() -> bool:
            full = chunk.waiting_rows + len(parts) > self._ahead_rows or chunk.waiting_bytes + size > self._ahead_bytes
            return self._closed or self._error is not None or not chunk.blocks or not full

        with self._changed:
            self._changed.wait_for(room)
            if self._closed or self._error is not None:
                raise _Closed
            chunk.blocks.append(b"".join(parts))
            chunk.waiting_rows += len(parts)
            chunk.waiting_bytes += size
            self._changed.notify_all()

    def _fail(self, error: HeadwaterError) -> None:
        with self._changed:
            if self._error is None and not self._closed:
                self._error = error
            self._changed.notify_all()
