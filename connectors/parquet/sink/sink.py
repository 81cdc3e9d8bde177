"""One task of the Parquet view: files first, then one manifest that names them together with the next offsets.

A manifest is made only where each of this task's partitions is still its own, by `owner`, and stands where its batch
begins: a task that was replaced changes nothing that a reader can see.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence

from headwater.worker.api import Fatal, Fenced, Record, Sink, SinkBatch, TaskContext, TopicPartition

from ..storage import Storage, open_storage
from .change_log import ChangeLog
from .latest_state import LatestState
from .manifest import Manifest, PartitionState
from .manifests import Manifests, generations
from .options import CHANGE_LOG, LATEST_STATE
from .pointer import Pointer
from .sweep import Sweep
from .tables import Tables

Change = Callable[[Manifest], Manifest]


class ParquetSink(Sink):
    def open(self, context: TaskContext) -> None:
        self._context = context
        self._values = context.values
        self.every_record = self._values["view.mode"] == CHANGE_LOG
        self.patience_s = self._values["rotate.schedule.interval.ms"] / 1000
        self._storage: Storage | None = open_storage(self._values)
        storage, view, number = self._storage, context.connector, context.generation
        self._owner = secrets.token_hex(6)
        self._manifests = Manifests(storage, view, number)
        self._pointer = Pointer(storage, view)
        pointed = self._pointer.read()  # raises for a folder of another view
        manifest = self._manifests.newest()
        if manifest is None:
            if pointed is not None and pointed.generation == number:
                raise Fatal(
                    f"{storage.root}/current.json names generation {number}, whose manifests in {storage.root}/"
                    f"manifests/g{number} are gone: somebody deleted files. Nothing was changed. Put them back from a "
                    "backup, or empty the folder and reset the connector's offsets: then the view is filled anew"
                )
            manifest = self._first(storage)
        if number == 1 and generations(storage) == [1]:
            self._pointer.begin(self._manifests, manifest)
        mode: str = self._values["view.mode"]
        if manifest.mode != mode:
            raise Fatal(
                f"generation {number} of the view {view} is a {manifest.mode}, and view.mode is {mode}. Nothing was "
                "changed. Rebuild the view with the new config: `headwater rebuild`"
            )
        self._tables = Tables(storage, number)
        self._tables.learn(manifest)
        make = LatestState if mode == LATEST_STATE else ChangeLog
        self._writer: ChangeLog | LatestState = make(storage, self._values, number, self._owner, self._tables)
        self._sweep = Sweep(storage, self._values, self._manifests)
        self._known: dict[TopicPartition, int | None] = {}
        self._durable: dict[TopicPartition, int] = {}
        self._starts: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}

    def assign(self, partitions: Mapping[TopicPartition, str]) -> dict[TopicPartition, int | None]:
        if not partitions:
            return {}
        manifest = self._commit(lambda base: self._taken(base, partitions))
        self._tables.learn(manifest)
        self._writer.learn(manifest, partitions)
        found = {tp: manifest.partitions[tp].next for tp in partitions}
        self._known.update(found)
        self._durable.update({tp: offset for tp, offset in found.items() if offset is not None})
        return found

    def revoke(self, partitions: Sequence[TopicPartition]) -> None:
        if self._ends:
            self.flush()
        self._writer.forget(partitions)
        for tp in partitions:
            self._known.pop(tp, None)
            self._durable.pop(tp, None)

    def write(self, batch: SinkBatch) -> None:
        for tp, first in batch.first.items():
            if tp not in self._known:
                raise Fatal(f"{tp} was written to the view without being assigned to this task")
            expected = self._known[tp]
            if expected is not None and expected != first:
                raise Fenced(f"{tp}: the view holds the log up to {expected}, the batch begins at {first}")
        if self._writer.full:
            self.flush()  # before the batch is taken
        self._writer.write(batch.records, self._report)
        for tp, first in batch.first.items():
            self._starts.setdefault(tp, first)
        self._ends.update(batch.next)
        self._known.update(batch.next)

    def flush(self) -> dict[TopicPartition, int]:
        if any(self._starts[tp] != end for tp, end in self._ends.items()) or self._writer.pending:
            try:
                self._finish()
                self._commit(self._moved)
            except Fenced:
                self._writer.abandon()
                raise
            self._writer.committed()
        self._durable.update(self._ends)
        self._starts, self._ends = {}, {}
        self._sweep.run_if_due()
        return dict(self._durable)

    def close(self) -> None:
        storage = getattr(self, "_storage", None)
        if storage is None:
            return
        self._storage = None
        writer = getattr(self, "_writer", None)
        if writer is not None:
            writer.discard()
        storage.close()

    def _finish(self) -> None:
        try:
            self._writer.finish()
        except FileNotFoundError as error:  # one that is to be rewritten
            manifest = self._manifests.newest()
            if manifest is None:
                raise Fenced(f"the generation of the view {self._context.connector} has been dropped") from error
            self._moved(manifest)  # raises where this task was replaced
            raise Fatal(
                f"{error}: somebody deleted a file of the view {self._context.connector}. Rebuild the view"
            ) from error

    def _first(self, storage: Storage) -> Manifest:
        """Generation 1 of a new view is made by its first task."""
        number = self._context.generation
        if number != 1 or any(other != 1 for other in generations(storage)):
            raise Fatal(
                f"{storage.root} has no generation {number} of the view {self._context.connector}: it was dropped; "
                "rebuild the view"
            )
        return self._manifests.create(self._values["view.mode"], complete=True)

    def _commit(self, change: Change) -> Manifest:
        manifest = self._manifests.commit(change, self._owner)
        self._pointer.follow(self._manifests, manifest)
        return manifest

    def _taken(self, base: Manifest, partitions: Mapping[TopicPartition, str]) -> Manifest:
        """`base` with this task as the owner of `partitions`."""
        states = dict(base.partitions)
        for tp, topic_id in partitions.items():
            held = states.get(tp)
            if held is not None and topic_id and held.topic_id and held.topic_id != topic_id:
                raise Fatal(
                    f"the view {self._context.connector} holds data of another topic {tp.topic} (id {held.topic_id}, "
                    f"now {topic_id}): the topic was deleted and made again; rebuild the view"
                )
            known_id = topic_id if held is None else held.topic_id or topic_id
            states[tp] = PartitionState(known_id, self._owner, None if held is None else held.next)
        return base.with_(partitions=states)

    def _moved(self, base: Manifest) -> Manifest:
        """`base` with what was written since the last commit."""
        states = dict(base.partitions)
        for tp, first in self._starts.items():
            held = states.get(tp)
            if held is None or held.owner != self._owner:
                raise Fenced(f"another task of the view {self._context.connector} has taken {tp} over")
            if held.next not in (None, first):
                raise Fenced(f"{tp}: the view holds the log up to {held.next}, the batch begins at {first}")
            states[tp] = PartitionState(held.topic_id, held.owner, self._ends[tp])
        return self._writer.applied(base.with_(partitions=states))

    def _report(self, record: Record, error: Exception) -> None:
        """Hand a record over that cannot be written. May raise."""
        if self._context.report_bad_record is None:
            raise error
        self._context.report_bad_record(record, error)
