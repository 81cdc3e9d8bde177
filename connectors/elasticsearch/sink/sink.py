"""One task of the view: documents first, then the next offsets in the generation's own index.

Offsets move only where this task still owns them and they stand where its batch began. Documents need no such fence:
each carries its version, and an older one never replaces a newer one.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from headwater.worker.api import (
    DataError,
    Fatal,
    Fenced,
    Record,
    Sink,
    SinkBatch,
    TaskContext,
    TopicPartition,
    is_again,
)

from ..client import Client, open_client
from .documents import Change, Documents
from .indices import Indices
from .options import is_stream
from .state import ViewState
from .streams import Streams
from .writer import Writer


class ElasticsearchSink(Sink):
    def open(self, context: TaskContext) -> None:
        self._context = context
        values, view, number = context.values, context.connector, context.generation
        self._writer: Writer | None = None
        self._client: Client | None = open_client(values, values["max.in.flight.requests"] + 1)
        client = self._client
        self._state = ViewState(client, values, view)
        self._begin(number)
        self._records = self._state.generation(number)
        self._documents = Documents(values)
        self._owner = secrets.token_hex(6)
        stream = is_stream(values)
        self.every_record = stream or bool(values["key.ignore"])
        self._targets: Indices | Streams = (
            Streams(client, values, view) if stream else Indices(client, values, view, number)
        )
        self._writer = Writer(client, context, self._targets, self._report)
        self._again: set[tuple[str, int, int]] = set()
        self._known: dict[TopicPartition, int | None] = {}
        self._durable: dict[TopicPartition, int] = {}
        self._starts: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}

    def assign(self, partitions: Mapping[TopicPartition, str]) -> dict[TopicPartition, int | None]:
        if not partitions:
            return {}
        states = self._records.take_over(partitions, self._owner)
        found = {tp: state.next for tp, state in states.items()}
        self._known.update(found)
        self._durable.update({tp: offset for tp, offset in found.items() if offset is not None})
        return found

    def revoke(self, partitions: Sequence[TopicPartition]) -> None:
        if self._ends:
            self.flush()
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
        assert self._writer is not None
        if any(is_again(tp.topic) for tp in batch.first):
            self._again.update(_places(batch.records))
        self._writer.write(self._changes(batch.records))
        for tp, first in batch.first.items():
            self._starts.setdefault(tp, first)
        self._ends.update(batch.next)
        self._known.update(batch.next)

    def flush(self) -> dict[TopicPartition, int]:
        assert self._writer is not None
        self._writer.flush()
        self._targets.publish()
        refused, self._writer.refused = self._writer.refused, []
        self._records.add_refused(_places(refused))
        if self._again:
            self._records.forget_refused(self._again - _places(refused))
            self._again = set()
        moved = {tp: end for tp, end in self._ends.items() if self._starts[tp] != end}
        if moved:
            self._records.move(self._starts, moved, self._owner)
        self._durable.update(self._ends)
        self._starts, self._ends = {}, {}
        return dict(self._durable)

    def close(self) -> None:
        writer, self._writer = getattr(self, "_writer", None), None
        client, self._client = getattr(self, "_client", None), None
        if writer is not None:
            writer.close()
        if client is not None:
            client.close()

    def _begin(self, number: int) -> None:
        """Generation 1 of a new view is made by its first task."""
        numbers = [generation.number for generation in self._state.list()]
        if number in numbers:
            return
        if number != 1 or numbers:
            raise Fatal(
                f"there is no generation {number} of the view {self._context.connector}: it was dropped; rebuild the "
                "view"
            )
        self._state.create(number, complete=True, current=True)

    def _changes(self, records: Sequence[Record]) -> list[Change]:
        found = []
        for record in records:
            try:
                change = self._documents.change(record)
            except DataError as error:
                self._report(record, error)
            else:
                if change is not None:
                    found.append(change)
        return found

    def _report(self, record: Record, error: Exception) -> None:
        """Hand a record over that cannot be written. May raise."""
        if self._context.report_bad_record is None:
            raise error
        self._context.report_bad_record(record, error)


def _places(records: Sequence[Record]) -> set[tuple[str, int, int]]:
    """Topic, partition and offset of each."""
    return {
        (r.origin or r.topic, r.partition, r.offset)
        for r in records
        if r.partition is not None and r.offset is not None
    }
