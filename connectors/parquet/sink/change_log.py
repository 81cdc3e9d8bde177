"""Files of a change log being written: one open file for each table, folder and partition of the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import pyarrow as pa

from headwater.worker.api import DataError, Record, TopicPartition, Values

from ..columns import cast
from ..data_file import DataFile
from ..storage import Storage
from .batches import Report, make_batch
from .manifest import FileEntry, Manifest
from .partitioning import Partitioning
from .rows import Row, Rows, Shape, folder_name
from .tables import Tables

MOST_OPEN: Final = 400
"""Files that a task keeps open at once."""


class _Place(NamedTuple):
    """What one file holds rows of."""

    table: str
    folder: str
    topic: str
    partition: int


@dataclass(slots=True)
class _Open:
    """`since_ms`: the time of its first record."""

    file: DataFile
    first: int
    since_ms: int | None


class ChangeLog:
    """`owner`: this incarnation of the task, part of every file's name, so that no other ever overwrites it."""

    def __init__(self, storage: Storage, values: Values, generation: int, owner: str, tables: Tables) -> None:
        self._storage, self._values, self._owner, self._tables = storage, values, owner, tables
        self._folder = f"g{generation}/data"
        self._rows = Rows(values)
        self._partitioning = Partitioning(values)
        self._open: dict[_Place, _Open] = {}
        self._finished: list[FileEntry] = []
        self._made = 0
        self._most_rows: int = values["flush.size"]
        self._span_ms: int = values["rotate.interval.ms"]
        self._most_bytes: int = values["memory.max.bytes"]

    def learn(self, manifest: Manifest, partitions: Iterable[TopicPartition]) -> None:
        """Files that are there are never looked at again."""
        self.forget(partitions)

    def write(self, records: Iterable[Record], report: Report) -> None:
        places: dict[_Place, dict[Shape, list[Row]]] = {}
        for record in records:
            try:
                row = self._rows.row(record)
                if row is None:
                    continue
                folder = self._partitioning.folder(row)
            except DataError as error:
                report(record, error)
            else:
                place = _Place(row.shape.table, folder, record.origin or record.topic, record.partition or 0)
                places.setdefault(place, {}).setdefault(row.shape, []).append(row)
        for place, shapes in places.items():
            batch, kept = self._in_order(place, shapes, report)
            if batch is not None:
                self._append(place, batch, kept)
        self._bound_memory()

    def finish(self) -> None:
        """Close all files: they are durable, and seen by nobody until a manifest names them."""
        for place in list(self._open):
            self._close(place)

    def applied(self, manifest: Manifest) -> Manifest:
        """The manifest with the finished files."""
        if not self._finished:
            return manifest
        tables = self._tables.merged_into(manifest)
        return manifest.with_(tables=tables, files=(*manifest.files, *self._finished))

    def committed(self) -> None:
        self._finished = []

    full: Final = False

    @property
    def pending(self) -> bool:
        return bool(self._open or self._finished)

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Partitions that are somebody else's now."""
        gone = set(partitions)
        for place in [p for p in self._open if TopicPartition(p.topic, p.partition) in gone]:
            self._open.pop(place).file.discard()
        self._finished = [entry for entry in self._finished if entry.place not in gone]

    def abandon(self) -> None:
        """Nobody will ever commit what was finished: this task was replaced."""
        self._storage.delete([entry.path for entry in self._finished])
        self.discard()

    def discard(self) -> None:
        for held in self._open.values():
            held.file.discard()
        self._open.clear()
        self._finished = []

    def _in_order(
        self, place: _Place, shapes: Mapping[Shape, list[Row]], report: Report
    ) -> tuple[pa.RecordBatch | None, list[Row]]:
        """Rows of all shapes, tombstones and others, as they follow one another in the log: who reads the file from its
        beginning meets the newest row of a key last."""
        batches: list[pa.RecordBatch] = []
        kept: list[Row] = []
        for shape, rows in shapes.items():
            batch, fitting = make_batch(shape.layout, rows, report)
            if fitting:
                schema = self._tables.schema(shape.table, shape.layout, place.topic)
                batches.append(batch)
                kept += fitting
        if not batches:
            return None, []
        whole = [cast(batch, schema) for batch in batches]  # the last schema holds the rows of all
        if len(whole) == 1:
            return whole[0], kept
        order = sorted(range(len(kept)), key=lambda index: kept[index].record.offset or 0)
        return pa.concat_batches(whole).take(pa.array(order)), [kept[index] for index in order]

    def _append(self, place: _Place, batch: pa.RecordBatch, rows: list[Row]) -> None:
        start = 0
        while start < batch.num_rows:
            held = self._open.get(place)
            if held is not None:
                changed = not held.file.schema.equals(batch.schema)  # the table's columns, since it was opened
                if changed or self._is_over(held, rows[start].record.timestamp_ms):
                    self._close(place)
                    held = None
            if held is None:
                if len(self._open) >= MOST_OPEN:
                    self._bound_memory()
                held = self._open[place] = self._opened(place, rows[start], batch.schema)
            end = self._end(held, rows, start)
            held.file.append(batch.slice(start, end - start))
            start = end
            full = held.file.rows >= self._most_rows
            if full or held.file.bytes >= self._values["rotate.size.bytes"]:
                self._close(place)

    def _end(self, held: _Open, rows: list[Row], start: int) -> int:
        """Up to where rows from `start` on go into this file."""
        end = min(len(rows), start + self._most_rows - held.file.rows)
        if self._span_ms < 0:
            return end
        for index in range(start + 1, end):
            if self._is_over(held, rows[index].record.timestamp_ms):
                return index
        return end

    def _is_over(self, held: _Open, time_ms: int | None) -> bool:
        if self._span_ms < 0 or time_ms is None or held.since_ms is None:
            return False
        return time_ms - held.since_ms >= self._span_ms

    def _opened(self, place: _Place, row: Row, schema: pa.Schema) -> _Open:
        self._made += 1
        first = row.record.offset or 0
        folders = "/".join(part for part in (self._folder, folder_name(place.table), place.folder) if part)
        name = f"{folder_name(place.topic)}+{place.partition}+{first:020d}+{self._owner}-{self._made}.parquet"
        file = DataFile(
            self._storage,
            f"{folders}/{name}",
            schema,
            self._values["parquet.codec"],
            self._values["parquet.row.group.rows"],
            max(1024 * 1024, min(64 * 1024 * 1024, self._most_bytes // 4)),
        )
        return _Open(file, first, row.record.timestamp_ms)

    def _close(self, place: _Place) -> None:
        held = self._open.pop(place)
        facts = held.file.publish()
        self._finished.append(
            FileEntry(facts.path, place.table, facts.rows, facts.size_bytes, place.topic, place.partition, held.first)
        )

    def _bound_memory(self) -> None:
        """Close the files that hold most, down to half of what is allowed."""
        held = {place: opened.file.buffered_bytes for place, opened in self._open.items()}
        total = sum(held.values())
        if total <= self._most_bytes and len(held) < MOST_OPEN:
            return
        left = len(held)
        for place in sorted(held, key=lambda p: held[p], reverse=True):
            if total <= self._most_bytes // 2 and left <= MOST_OPEN // 2:
                break
            self._close(place)
            total -= held[place]
            left -= 1
