"""The first of the source's two iterators: tables as they stood at one exact point."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from headwater.connectors.debezium.source_block import (
    SNAPSHOT_FIRST,
    SNAPSHOT_FIRST_IN_TABLE,
    SNAPSHOT_LAST,
    SNAPSHOT_LAST_IN_TABLE,
    SNAPSHOT_TRUE,
)
from headwater.worker.api import Batch, Progress

from .copy_text import parse_lines
from .events import Moment
from .position import TablePosition, table_partition
from .snapshot_reader import Chunk, SnapshotReader
from .table import SnapshotTable

BATCH_BYTES: Final = 16 * 1024 * 1024
Row = list[bytes | None]


@dataclass(frozen=True, slots=True)
class Point:
    """Where the snapshot stands. `tx_id`: the first transaction that it does not show."""

    version: int
    lsn: int
    ts_us: int
    tx_id: int


class Snapshot:
    """Reads `tables` in order; `positions` by full name say where each begins. Closes `reader` in the end."""

    def __init__(
        self,
        prefix: str,
        point: Point,
        tables: Sequence[SnapshotTable],
        positions: Mapping[str, TablePosition],
        reader: SnapshotReader,
        last_table: int,
        max_records: int,
    ) -> None:
        """`last_table`: the last one that holds rows, for the flag `last`; -1: none does."""
        self._prefix = prefix
        self._point = point
        self._tables = list(tables)
        self._positions = dict(positions)
        self._key_places = [table.key_places for table in self._tables]
        self._reader = reader
        self._last_table = last_table
        self._max_records = max_records
        self._rows: deque[Row] = deque()
        self._row_chunk: Chunk | None = None
        self._held: Row | None = None
        self._held_first = False
        self._table = -1
        self._any = False
        self._ended: set[int] = set()
        self._before = {name: position.rows for name, position in self._positions.items()}
        self._written = [0] * len(self._tables)
        self._newest: list[Row | None] = [None] * len(self._tables)
        self._total = sum(max(table.rows, 0) for table in self._tables)

    @property
    def finished(self) -> bool:
        return not self._rows and self._reader.finished

    @property
    def positions(self) -> Mapping[str, TablePosition]:
        """Where each table stands after what `read` has returned."""
        return self._positions

    @property
    def keyed(self) -> Mapping[str, bool]:
        """By topic: do its records have keys? An empty table's topic is made, too, without a record that could tell."""
        return {table.events.topic: table.events.keyed for table in self._tables}

    def progress(self) -> Progress:
        table = self._tables[self._table].full_name if self._table >= 0 else ""
        done = sum(self._before.values()) + sum(self._written)
        return Progress("snapshot", done, max(self._total, done), detail=table, caught_up=False)

    def read(self, timeout_s: float) -> Batch | None:
        """The next rows, of one table or several. None: nothing came within `timeout_s`."""
        batch = Batch(ends_transaction=True)
        touched: set[int] = set()
        moment = Moment(
            self._point.version, self._point.lsn, self._point.ts_us, time.time_ns() // 1000, self._point.tx_id
        )
        complete: dict[str, int] = {}
        size = 0
        while len(batch.records) < self._max_records and (size < BATCH_BYTES or self._rows):
            if self._rows:
                assert self._row_chunk is not None
                self._emit(self._rows.popleft(), self._row_chunk, batch, moment)
                touched.add(self._table)
                continue
            taken = self._reader.take(0.0 if batch.records or touched else timeout_s)
            if taken is None:
                break
            chunk, block = taken
            self._enter(chunk)
            if block is not None:
                size += len(block)
                self._rows.extend(parse_lines(block))
                self._row_chunk = chunk
                continue
            self._end_chunk(chunk, batch, moment, complete)
            touched.add(chunk.table)
        for number in sorted(touched):
            name = self._tables[number].full_name
            self._positions[name] = self._advanced(number)
            batch.positions.append((table_partition(self._prefix, name), self._positions[name].json()))
        batch.complete = complete
        return batch if batch.records or batch.positions else None

    def close(self, timeout_s: float) -> None:
        self._reader.close(timeout_s)

    def _enter(self, chunk: Chunk) -> None:
        if chunk.table != self._table:
            self._table = chunk.table
            self._held_first = True

    def _emit(self, row: Row, chunk: Chunk, batch: Batch, moment: Moment) -> None:
        """One row is held back: only the end of a table tells which one was its last."""
        held, self._held = self._held, row
        if held is not None:
            self._write(held, chunk.table, False, batch, moment)

    def _end_chunk(self, chunk: Chunk, batch: Batch, moment: Moment, complete: dict[str, int]) -> None:
        if self._held is not None:
            self._write(self._held, chunk.table, chunk.last, batch, moment)
            self._held = None
        if chunk.last:
            table = self._tables[chunk.table]
            self._ended.add(chunk.table)
            position = self._positions[table.full_name]
            if not position.mixed and not position.ghosts:
                complete[table.events.topic] = position.version

    def _write(self, row: Row, number: int, last: bool, batch: Batch, moment: Moment) -> None:
        table = self._tables[number]
        batch.records.append(table.events.read(row, moment, self._flag(number, last)))
        self._any, self._held_first = True, False
        self._written[number] += 1
        self._newest[number] = row

    def _advanced(self, number: int) -> TablePosition:
        """Where this table stands now."""
        table = self._tables[number]
        position = replace(self._positions[table.full_name], rows=self._before[table.full_name] + self._written[number])
        if number in self._ended:
            return replace(position, state="complete", after=None)
        row = self._newest[number]
        if row is None or not table.relation.key:
            return position
        return replace(position, after=tuple((row[at] or b"").decode() for at in self._key_places[number]))

    def _flag(self, number: int, last: bool) -> str:
        """In the order of precedence of Debezium's SnapshotMarkerResolver."""
        if last and number == self._last_table:
            return SNAPSHOT_LAST
        if not self._any:
            return SNAPSHOT_FIRST
        if last:
            return SNAPSHOT_LAST_IN_TABLE
        return SNAPSHOT_FIRST_IN_TABLE if self._held_first else SNAPSHOT_TRUE
