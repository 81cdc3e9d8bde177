"""From changes to documents in the index: what is held back, what is on its way, what an event leaves out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Any, Final, Protocol

import orjson

from headwater.worker.api import DataError, Record, TaskContext, Values

from ..client import Client
from .bulk import Bulk
from .documents import Change, Document, Plan, encoded, merged
from .earlier import Earlier, fetch
from .flights import Flights
from .generation_records import EACH, HEADER, OFFSET
from .operations import Operation, Place
from .options import UPSERT, is_stream
from .pending import Pending, stale

_log = logging.getLogger(__name__)

Report = Callable[[Record, Exception], None]

EARLIER_BYTES: Final = 8 * 1024 * 1024
"""Of documents that are read at one time to be merged with what changes them, about."""
FIRST_CHANGES, MOST_CHANGES, _MEASURED = 50, 1000, 20


class Targets(Protocol):
    def ready(self, plan: Plan, versions: str) -> str:
        """The name to write to."""
        ...


class Writer:
    """Used by one thread. `targets`: indices or data streams. `report` gets records that cannot be written."""

    def __init__(self, client: Client, context: TaskContext, targets: Targets, report: Report) -> None:
        values: Values = context.values
        self._client, self._targets, self._report = client, targets, report
        self._appends = is_stream(values)
        self._merges = values["write.method"] == UPSERT
        self._most: int = values["batch.size"]
        self._most_bytes: int = values["bulk.size.bytes"]
        self._most_records: int = values["max.buffered.records"]
        self._flights = Flights(Bulk(client, values, context.stopping), values["max.in.flight.requests"])
        self._pending = Pending()
        self._portion = FIRST_CHANGES
        self._feeds: dict[str, str | None] = {}
        self.refused: list[Record] = []
        """Records that the server, or the index's fields, have refused, and that were skipped."""

    def write(self, changes: Iterable[Change]) -> None:
        """Takes them; sends what fills a request."""
        placed, start = list(self._placed(changes)), 0
        while some := placed[start : start + self._portion]:
            start += len(some)
            self._write(some)

    def _write(self, placed: list[tuple[Place, Change]]) -> None:
        earlier = self._earlier([(place, change) for place, change in placed if self._needs(change)])
        for place, change in placed:
            try:
                operation = self._operation(place, change, earlier)
            except DataError as error:
                self._skip(change.record, error)
                continue
            if operation is not None:
                earlier.pop(place, None)
                self._pending.put(operation)
            if self._full:
                self._send()

    def flush(self) -> None:
        """When it returns, all of it is in the index, but for what was reported."""
        self._send()
        self._flights.drain()
        self._settle()

    def close(self) -> None:
        self._flights.close()

    @property
    def _full(self) -> bool:
        held = self._pending
        return len(held) >= self._most or held.held_bytes >= self._most_bytes or held.records >= self._most_records

    def _placed(self, changes: Iterable[Change]) -> Iterable[tuple[Place, Change]]:
        for change in changes:
            kind = EACH if change.version is None else OFFSET if change.record.version is None else HEADER
            if kind == OFFSET:
                self._look_at_feeds(change)
            try:
                yield Place(self._targets.ready(change.plan, kind), change.id), change
            except DataError as error:
                self._skip(change.record, DataError(f"{change.record.where()}: {error}"))

    def _look_at_feeds(self, change: Change) -> None:
        """Topics without versions may feed one index as long as they have no key in common: nobody else can tell."""
        part, topic = change.plan.part, change.record.origin or change.record.topic
        if self._feeds.setdefault(part, topic) not in (topic, None):
            _log.warning(
                "%s gets records of %s and of %s, whose versions are their offsets: they have no headwater.version. "
                "Of a key that both topics have, the record with the higher offset stays, be it newer or not. If there "
                "are such keys, give each topic an index (index.name.format) or each record a document (key.ignore)",
                part,
                self._feeds[part],
                topic,
            )
            self._feeds[part] = None  # said once

    def _needs(self, change: Change) -> bool:
        """Does the document as it is now count?"""
        return change.document is not None and bool(change.unfilled or (self._merges and change.version is not None))

    def _earlier(self, needed: list[tuple[Place, Change]]) -> dict[Place, Earlier]:
        wanted = {place for place, _ in needed if self._pending.get(place) is None}
        if any(place in self._flights for place in wanted):
            self._flights.drain()
        if not wanted:
            return {}
        found = fetch(self._client, wanted)
        sizes = [len(str(e.document)) for e in islice(found.values(), _MEASURED) if e.document is not None]
        fitting = EARLIER_BYTES * len(sizes) // sum(sizes) if sizes else 2 * self._portion
        self._portion = max(1, min(MOST_CHANGES, fitting))
        return found

    def _operation(self, place: Place, change: Change, earlier: dict[Place, Earlier]) -> Operation | None:
        """None: the index holds a newer version."""
        record = change.record
        if change.document is None:
            return Operation(place, record, None, change.version, self._appends)
        if not self._needs(change):
            source = encoded(change.document, record.where())
            return Operation(place, record, source, change.version, self._appends)
        base = self._base(place, earlier)
        if stale(change.version, base.version):
            return None
        fill = partial(self._filled, change, change.document)
        return Operation(place, record, fill(base.document), change.version, self._appends, fill=fill)

    def _base(self, place: Place, earlier: dict[Place, Earlier]) -> Earlier:
        waiting = self._pending.get(place)
        if waiting is not None:
            document: dict[str, Any] | None = None if waiting.source is None else orjson.loads(waiting.source)
            return Earlier(document, -1 if waiting.version is None else waiting.version)
        if place in self._flights or place not in earlier:  # sent while this batch was being written
            self._flights.drain()
            earlier.update(fetch(self._client, [place]))
        return earlier[place]

    def _filled(self, change: Change, document: Document, base: Document | None) -> bytes:
        """Any thread may call it."""
        if self._merges:
            whole = merged(base or {}, document)
        else:
            whole = {**document, **{name: (base or {}).get(name) for name in change.unfilled}}
        return encoded(whole, change.record.where())

    def _send(self) -> None:
        operations = self._pending.take()
        some: list[Operation] = []
        size = 0
        for operation in operations:
            if some and (len(some) >= self._most or size + operation.size > self._most_bytes):
                self._flights.send(some)
                some, size = [], 0
            some.append(operation)
            size += operation.size
        if some:
            self._flights.send(some)
        self._settle()

    def _settle(self) -> None:
        """Report what was refused, of requests that are back."""
        for operation, reason in self._flights.rejected():
            self._reject(operation, reason)

    def _reject(self, operation: Operation, reason: str) -> None:
        record = operation.record
        self._skip(record, DataError(f"{record.where()}: {operation.place.target} refuses the document: {reason}"))

    def _skip(self, record: Record, error: DataError) -> None:
        """Raises where it may not be skipped."""
        self._report(record, error)
        self.refused.append(record)
