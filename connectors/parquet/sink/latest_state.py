"""Files of a latest state: at each commit those whose keys have changed are read, merged and written anew.

The files of a partition of the log are written by its owner alone. Rows are applied in the order of the log, so that
of equal versions the later one counts; a key's records lie in one partition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pyarrow as pa

from headwater.worker.api import DataError, Record, TopicPartition, Values

from ..columns import cast, key_texts
from ..data_file import DataFile
from ..storage import Storage
from .batches import Report, make_batch
from .buckets import DEEPEST, bits_of, bucket_for, deeper
from .manifest import FileEntry, Manifest
from .manifests import now_ms
from .merging import Changes, read_base
from .newest import At, Newest, Pending
from .rows import Row, Rows, Shape, folder_name
from .tables import Tables


class _Place(NamedTuple):
    table: str
    topic: str
    partition: int


class _Placed(NamedTuple):
    """One record's effect. `at` None: the row is gone."""

    place: _Place
    key: bytes
    at: At | None
    unfilled: tuple[str, ...]


class LatestState:
    """`owner`: this incarnation of the task, part of every file's name, so that no other ever overwrites it."""

    def __init__(self, storage: Storage, values: Values, generation: int, owner: str, tables: Tables) -> None:
        self._storage, self._values, self._owner, self._tables = storage, values, owner, tables
        self._folder = f"g{generation}/data"
        self._rows = Rows(values)
        self._files: dict[_Place, dict[str, FileEntry]] = {}
        self._pending: dict[_Place, Pending] = {}
        self._new: list[FileEntry] = []
        self._replaced: dict[str, None] = {}
        self._made = 0
        self._most_bytes: int = values["memory.max.bytes"]

    def learn(self, manifest: Manifest, partitions: Iterable[TopicPartition]) -> None:
        """The files of partitions that are this task's from now on."""
        ours = set(partitions)
        self.forget(ours)
        for entry in manifest.files:
            if entry.place in ours:
                place = _Place(entry.table, entry.topic, entry.partition)
                self._files.setdefault(place, {})[entry.bucket] = entry

    def write(self, records: Iterable[Record], report: Report) -> None:
        """Rows of one shape become a batch; then all take effect in the order of the log."""
        groups: dict[tuple[Shape, str, int, bool], list[tuple[int, Row]]] = {}
        for number, record in enumerate(records):
            try:
                row = self._rows.row(record)
            except DataError as error:
                report(record, error)
                continue
            if row is not None:
                marker = (row.shape, record.origin or record.topic, record.partition or 0, row.gone)
                groups.setdefault(marker, []).append((number, row))
        placed: dict[int, _Placed] = {}
        for (shape, topic, partition, gone), numbered in groups.items():
            place = _Place(shape.table, topic, partition)
            try:
                placed.update(self._placed(place, shape, numbered, gone, report))
            except DataError as error:
                for _, row in numbered:
                    report(row.record, error)
        for number in sorted(placed):
            place, key, at, unfilled = placed[number]
            pending = self._pending[place]
            if at is None:
                pending.remove(key)
            else:
                pending.put(key, at, unfilled)

    def _placed(
        self, place: _Place, shape: Shape, numbered: list[tuple[int, Row]], gone: bool, report: Report
    ) -> dict[int, _Placed]:
        assert shape.key_layout is not None
        numbers = {id(row.record): number for number, row in numbered}
        batch, rows = make_batch(shape.key_layout if gone else shape.layout, [row for _, row in numbered], report)
        if not rows:
            return {}
        names = tuple(sorted(column for column, _ in shape.key_fields))
        pending = self._pending.setdefault(place, Pending())
        if gone:
            keys = key_texts(batch, names)
            return {numbers[id(row.record)]: _Placed(place, key, None, ()) for row, key in zip(rows, keys, strict=True)}
        schema = self._tables.schema(place.table, shape.layout, place.topic, names)
        number = pending.add_batch(cast(batch, schema))
        return {
            numbers[id(row.record)]: _Placed(place, key, At(number, index), row.unfilled)
            for index, (row, key) in enumerate(zip(rows, key_texts(batch, names), strict=True))
        }

    @property
    def full(self) -> bool:
        held = sum(pending.held_bytes for pending in self._pending.values())
        return held >= self._most_bytes // 2

    @property
    def pending(self) -> bool:
        return any(len(pending) for pending in self._pending.values()) or bool(self._new or self._replaced)

    def finish(self) -> None:
        """Write all files that change; seen by nobody until a manifest names them."""
        for place in list(self._pending):
            self._finish(place, self._pending.pop(place))

    def applied(self, manifest: Manifest) -> Manifest:
        if not self._new and not self._replaced:
            return manifest
        files = [entry for entry in manifest.files if entry.path not in self._replaced]
        at = now_ms()
        return manifest.with_(
            tables=self._tables.merged_into(manifest),
            files=(*files, *self._new),
            removed=(*manifest.removed, *((path, at) for path in self._replaced)),
        )

    def committed(self) -> None:
        self._new, self._replaced = [], {}

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        gone = set(partitions)
        for held in (self._files, self._pending):
            for place in [p for p in held if TopicPartition(p.topic, p.partition) in gone]:
                held.pop(place)

    def abandon(self) -> None:
        """Nobody will ever commit what was finished: this task was replaced."""
        self._storage.delete([entry.path for entry in self._new])
        self.discard()

    def discard(self) -> None:
        self._pending.clear()
        self.committed()

    def _finish(self, place: _Place, pending: Pending) -> None:
        table = self._tables.get(place.table)
        if table is None or not len(pending):
            return  # deletes of rows that never came
        files = self._files.setdefault(place, {})
        changes: dict[str, dict[bytes, Newest]] = {}
        for key, entry in pending.items():
            changes.setdefault(bucket_for(bits_of(key), files), {})[key] = entry
        merge = Changes(*pending.table(table.schema))
        for bucket, newest in changes.items():
            old = files.get(bucket)
            if old is None and all(entry.at is None for entry in newest.values()):
                continue
            base, base_keys = read_base(self._storage, None if old is None else old.path, table.schema, table.key)
            rows, keys = merge.merged(base, base_keys, newest)
            if old is not None:
                self._replaced[old.path] = None
                del files[bucket]
            files.update(self._written(place, bucket, rows, keys))

    def _written(self, place: _Place, bucket: str, rows: pa.Table, keys: list[bytes]) -> Mapping[str, FileEntry]:
        """One file, or several where the rows are too many for one."""
        most_bytes = max(1, self._most_bytes // 4)
        most = min(self._values["latest.file.rows"], max(1, rows.num_rows * most_bytes // max(1, rows.nbytes)))
        depth = min(DEEPEST, len(bucket) + deeper(rows.num_rows, most))
        divided: dict[str, list[int]] = {}
        if depth == len(bucket):
            divided[bucket] = []
        else:
            for index, key in enumerate(keys):
                divided.setdefault(bits_of(key)[:depth], []).append(index)
        made = {}
        for name, indices in divided.items():
            part = rows if name == bucket else rows.take(pa.array(indices, pa.int64()))
            if part.num_rows:
                entry = made[name] = self._file(place, name, part)
                self._new.append(entry)
        return made

    def _file(self, place: _Place, bucket: str, rows: pa.Table) -> FileEntry:
        self._made += 1
        name = f"{folder_name(place.topic)}+{place.partition}+{bucket or 'all'}+{self._owner}-{self._made}.parquet"
        file = DataFile(
            self._storage,
            f"{self._folder}/{folder_name(place.table)}/{name}",
            rows.schema,
            self._values["parquet.codec"],
            self._values["parquet.row.group.rows"],
        )
        try:
            for batch in rows.to_batches():
                file.append(batch)
            facts = file.publish()
        except BaseException:
            file.discard()
            raise
        return FileEntry(facts.path, place.table, facts.rows, facts.size_bytes, place.topic, place.partition, 0, bucket)
