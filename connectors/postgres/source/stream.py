"""The second of the source's two iterators: what has changed since, as pgoutput sends it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeGuard

from headwater.worker.api import Batch, DataError, Fatal, Record, Retriable

from .events import Moment, TableEvents
from .frame import KeepAlive, XLogData, parse_frame
from .lsn import format_lsn
from .pgoutput import (
    UNCHANGED,
    Begin,
    Commit,
    Delete,
    Insert,
    Message,
    Origin,
    Relation,
    Truncate,
    Update,
    parse,
)
from .position import StreamPosition, TablePosition, stream_partition, table_partition, version_of
from .replication import Replication
from .settings import Settings
from .table import Describer
from .toast import Missing, Reselect, fill_from_old, without_unchanged
from .transaction import OPERATIONS, Transaction
from .visibility import await_visible

BATCH_BYTES: Final = 16 * 1024 * 1024
BATCH_MISSING: Final = 256
"""Rows of which large values are read again, at most in one batch."""
URGENT_S: Final = 0.2
SILENT_S: Final = 60.0
"""A server that says nothing for so long is asked for an answer, and given up after as long again."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Table:
    """A table as the stream announced it. `events` None: not captured. Below `first` its changes are in the snapshot
    rows already; below `raised` they get that version, so that the versions of a key never fall."""

    name: str
    relation: Relation
    captured: bool
    events: TableEvents | None = None
    first: int = 0
    raised: int = 0


@dataclass(slots=True)
class _Open:
    """The batch that is being filled."""

    batch: Batch = field(default_factory=Batch)
    missing: list[Missing] = field(default_factory=list)
    size: int = 0
    now_us: int = 0
    first_us: int | None = None
    """When the first transaction in it was committed."""


class Stream:
    """Reads on from `position`. `tables`: what is known of each table's snapshot, by full name."""

    def __init__(
        self,
        settings: Settings,
        describer: Describer,
        replication: Replication,
        position: StreamPosition,
        tables: Mapping[str, TablePosition],
    ) -> None:
        self._settings = settings
        self._describer = describer
        self._replication = replication
        self._reselect = Reselect(describer)
        self._epoch = position.epoch
        self._commit_lsn, self._event = position.commit_lsn, position.event
        self._last_commit_lsn = position.last_commit_lsn
        self._done_lsn = position.done_lsn if position.last or position.event else position.commit_lsn
        self._commit_us = position.commit_us
        self._returned = position
        self._durable = position
        self._received = position.commit_lsn
        self._resumed = position
        self._transaction: Transaction | None = None
        self._ahead: XLogData | None = None
        """What came behind the end of a batch."""
        self._relations: dict[int, _Table] = {}
        self._positions = dict(tables)
        self._marks: dict[str, int] = {}
        self._unread: set[str] = set()
        self._status_due = 0.0
        self._position_due = 0.0
        self.records = 0
        """How many were returned."""
        self._urgent = False
        self._ask = False
        self._heard = self._listened = 0.0
        self._interval_s = settings["status.update.interval.ms"] / 1000
        self._max_records = settings["max.batch.size"]
        self._whole = settings.raw.get("transaction.boundary") == "connector"
        """Does the log's transaction end where the connector says so? Then a batch that goes on with a transaction ends
        with it, so that there is such a place however busy the database is."""
        for name, table in self._positions.items():
            self._await_newest(name, table)

    def start(self) -> None:
        options = {"proto_version": "1", "publication_names": '"' + self._settings.publication.replace('"', '""') + '"'}
        for item in (self._settings["slot.stream.params"] or "").split(";"):
            name, _, value = item.partition("=")
            if name.strip():
                options[name.strip()] = value.strip()
        self._replication.start(self._settings.slot, self._position.commit_lsn, options)

    @property
    def between_transactions(self) -> bool:
        return self._transaction is None

    @property
    def _position(self) -> StreamPosition:
        transaction, last, commit_us = self._transaction, None, self._commit_us
        if (self._commit_lsn, self._event) == (self._resumed.commit_lsn, self._resumed.event):
            last = self._resumed.last  # nothing new
        elif transaction is not None and self._event:
            # a Debezium that goes on from here repeats a row rather than losing the others of its WAL record
            last = transaction.before_last() if self._may_share else transaction.last()
            commit_us = transaction.begin.commit_us
        return replace(
            self._resumed, commit_lsn=self._commit_lsn, event=self._event, last_commit_lsn=self._last_commit_lsn,
            last=last, done_lsn=self._done_lsn if last else None, commit_us=commit_us, snapshot=False,
        )  # fmt: skip

    @property
    def _may_share(self) -> bool:
        """Has the rest of the newest row's WAL record yet to come, or is there none?"""
        return self._transaction is not None and self._ahead is None and self._transaction.may_share

    @property
    def durable(self) -> StreamPosition:
        return self._durable

    @property
    def received(self) -> int:
        """The end of what has come in."""
        return self._received

    @property
    def unread(self) -> set[str]:
        """Captured tables whose changes came although no snapshot of them was ever begun."""
        return self._unread

    def table_read(self, name: str, position: TablePosition) -> None:
        """A snapshot of this table was made in the meantime."""
        self._positions[name] = position
        self._unread.discard(name)
        self._await_newest(name, position)
        for table in self._relations.values():
            if table.name == name:
                self._adjust(table)

    def read(self, timeout_s: float) -> Batch | None:
        """Changes, as many as are there and fit into a batch, or a mere position, or None."""
        deadline = time.monotonic() + timeout_s
        inside = self._whole and self._transaction is not None
        under_way = None if self._transaction is None else self._transaction.begin.commit_us
        opened = _Open(now_us=time.time_ns() // 1000, first_us=under_way)
        self._listen()
        while not (inside and self._transaction is None):
            full = not self._has_room(opened)
            if full and not self._may_share:
                break
            frame = self._receive()
            if frame is not None:
                if full and self._is_behind(frame):
                    self._ahead = frame
                else:
                    self._frame(frame, opened)
                continue
            enough = bool(opened.batch.records) and not self._may_share
            left = 0.0 if enough else max(0.0, min(deadline - time.monotonic(), self._interval_s))
            if self._replication.wait(left):
                self._heard = time.monotonic()
                continue
            self._check_silence()
            self.send_status()
            if enough or time.monotonic() >= deadline or (self._position_is_due() and not opened.batch.records):
                break
        self.send_status()
        self._listened = time.monotonic()
        return self._finish(opened, inside and self._transaction is None)

    def _has_room(self, opened: _Open) -> bool:
        full = opened.size >= BATCH_BYTES or len(opened.missing) >= BATCH_MISSING
        return not full and len(opened.batch.records) < self._max_records

    def _receive(self) -> XLogData | KeepAlive | None:
        frame, self._ahead = self._ahead, None
        if frame is not None:
            return frame
        data = self._replication.receive()
        return None if data is None else parse_frame(data)

    def _is_behind(self, frame: XLogData | KeepAlive) -> TypeGuard[XLogData]:
        """Does it come after the end of a full batch, which waits for one more row of its last WAL record alone?"""
        transaction = self._transaction
        return isinstance(frame, XLogData) and (transaction is None or not transaction.shares(frame.start_lsn))

    def _listen(self) -> None:
        """Time in which nobody read does not count as the server's silence."""
        now = time.monotonic()
        if now > self._listened + 1:
            self._heard = max(self._heard, now)

    def _check_silence(self) -> None:
        silent_s = time.monotonic() - self._heard
        if silent_s > 2 * SILENT_S:
            raise Retriable(f"the server has said nothing for {silent_s:.0f} s; Headwater connects again")
        self._ask = silent_s > SILENT_S

    def ack(self, position: StreamPosition) -> None:
        """Everything up to `position` is durable."""
        self._durable = position
        if self._urgent:
            self._status_due = 0.0

    def send_status(self) -> None:
        """Tell the server what is durable, when it is time to."""
        if time.monotonic() >= self._status_due:
            durable = self._durable.commit_lsn if self._settings.flush_lsn else 0
            self._replication.send_status(self._received, durable, self._ask)
            self._status_due = time.monotonic() + self._interval_s

    def close(self) -> None:
        self._replication.close()

    def _finish(self, opened: _Open, ended: bool) -> Batch | None:
        """`ended`: the log's transaction waits for this batch."""
        batch = opened.batch
        if not batch.records and not batch.positions and not ended and not self._position_is_due():
            return None
        if opened.missing:
            self._reselect.fill(batch.records, opened.missing)
        partition = stream_partition(self._settings.prefix)
        self._returned = position = self._position
        self.records += len(batch.records)
        batch.positions.append((partition, position.json()))
        batch.ends_transaction = self._transaction is None
        batch.committed_ms = None if opened.first_us is None else opened.first_us // 1000
        reached = [topic for topic, version in self._marks.items() if version <= position.version]
        batch.complete = {topic: self._marks.pop(topic) for topic in reached}
        self._position_due = time.monotonic() + self._interval_s
        return batch

    def _position_is_due(self) -> bool:
        """Does an idle stream's position have to go to the log, so that the server may drop WAL?"""
        if self._returned.snapshot:  # the snapshot is over, and Debezium must not begin it anew
            return True
        if (self._commit_lsn, self._event) == (self._returned.commit_lsn, self._returned.event):
            return False
        now = time.monotonic()
        return now >= self._position_due or (self._urgent and now >= self._position_due - self._interval_s + URGENT_S)

    def _frame(self, frame: XLogData | KeepAlive, opened: _Open) -> None:
        self._received = max(self._received, frame.end_lsn)
        if isinstance(frame, KeepAlive):
            self._urgent = frame.reply_requested
            if frame.reply_requested:
                self._status_due = 0.0
            if self._transaction is None and frame.end_lsn > self._commit_lsn:
                self._between(frame.end_lsn)
            return
        opened.size += len(frame.payload)
        self._message(parse(frame.payload, frame.start_lsn), frame.start_lsn, opened)

    def _message(self, message: Message, lsn: int, opened: _Open) -> None:
        if isinstance(message, Insert | Update | Delete | Truncate):
            transaction = self._transaction
            if transaction is None:
                raise Fatal(
                    f"the server sent a change outside of a transaction at {format_lsn(lsn)}; nothing of it was used"
                )
            if transaction.is_new(message, lsn):
                self._change(message, lsn, transaction, opened)
                self._commit_lsn, self._event = transaction.begin.final_lsn, transaction.event
            elif isinstance(message, Update) and transaction.is_debeziums_last():
                self._move_again(message, lsn, transaction, opened)
        elif isinstance(message, Begin):
            self._transaction = Transaction(message, lsn, self._resumed, self._settings.captures_truncates)
            if opened.first_us is None:
                opened.first_us = message.commit_us
        elif isinstance(message, Commit):
            self._transaction = None
            self._last_commit_lsn, self._commit_us = message.end_lsn, message.commit_us
            self._between(message.end_lsn)
        elif isinstance(message, Relation):
            self._relations[message.oid] = self._describe(message)
        elif isinstance(message, Origin) and self._transaction is not None:
            self._transaction.origin = (message.name, message.commit_lsn)

    def _between(self, lsn: int) -> None:
        """Everything that commits before `lsn` has come, whole."""
        self._commit_lsn, self._event, self._done_lsn = lsn, 0, lsn

    def _describe(self, relation: Relation) -> _Table:
        name = f"{relation.schema}.{relation.name}"
        filter = self._describer.filter
        table = _Table(
            name, relation, not relation.schema.startswith("pg_") and filter.captures(relation.schema, relation.name)
        )
        self._adjust(table)
        return table

    def _adjust(self, table: _Table) -> None:
        if known := self._positions.get(table.name):
            table.first, table.raised = known.first, known.version

    def _await_newest(self, name: str, table: TablePosition) -> None:
        """A topic with rows of several points is whole once the stream has passed the newest of them."""
        if table.complete and table.mixed and not table.ghosts and table.version > self._position.version:
            schema, _, bare = name.partition(".")
            self._marks[self._settings.topic(schema, bare)] = table.version

    def _change(
        self, message: Insert | Update | Delete | Truncate, lsn: int, transaction: Transaction, opened: _Open
    ) -> None:
        oids = message.oids if isinstance(message, Truncate) else (message.relation_oid,)
        for oid in oids:
            table = self._relations.get(oid)
            if table is None:
                raise Fatal(
                    f"the server sent a change of table {oid} at {format_lsn(lsn)} without describing it before"
                )
            if not table.captured or OPERATIONS[type(message)] in self._settings.skipped:
                continue
            version = version_of(self._epoch, transaction.begin.final_lsn)
            if version < table.first:
                continue
            self._note_unread(table, version, opened)
            moment = Moment(
                max(version, table.raised), lsn, transaction.begin.commit_us, opened.now_us, transaction.begin.xid,
                self._last_commit_lsn, transaction.origin,
            )  # fmt: skip
            try:
                opened.batch.records.extend(self._records(message, table, moment, opened))
            except DataError as error:
                self._cannot(error, table, lsn)

    def _move_again(self, message: Update, lsn: int, transaction: Transaction, opened: _Open) -> None:
        """An update that changes the key is three records: Debezium's offset counts them as written once the first is,
        and where it was stopped between them the row's new place would be missing. They come again then."""
        records = opened.batch.records
        before = len(records)
        self._change(message, lsn, transaction, opened)
        if len(records) - before > 1:
            self._commit_lsn, self._event = transaction.begin.final_lsn, transaction.event
        else:
            del records[before:]

    def _records(
        self, message: Insert | Update | Delete | Truncate, table: _Table, moment: Moment, opened: _Open
    ) -> list[Record]:
        if table.events is None:
            await_visible(self._describer.connection, [moment.tx_id or 0])  # it may have changed the catalog
            table.events = self._describer.streamed(table.relation)
        events = table.events
        if isinstance(message, Insert):
            return events.insert(message, moment)
        if isinstance(message, Delete):
            return events.delete(message, moment)
        if isinstance(message, Truncate):
            return [events.truncate(moment)]
        if UNCHANGED not in message.new:
            return events.update(message, moment)
        fill_from_old(message)
        names = events.codec.unchanged(message.new)
        if not names or self._settings["toast.policy"] == "placeholder" or not events.codec.key_columns:
            return events.update(message, moment)
        sent = message.new
        message.new = without_unchanged(sent)
        records = events.update(message, moment)
        opened.missing.append(Missing(records[-1], events, names, events.raw_key(sent), sent))
        return records

    def _note_unread(self, table: _Table, version: int, opened: _Open) -> None:
        """Changes of a table that no snapshot was made of: the one to come must not hide what is written now."""
        if table.name in self._positions or not self._settings.snapshots:
            return
        if not self._describer.filter.snapshots(table.name):
            return
        position = TablePosition("streamed", version, version)
        self._positions[table.name] = position
        self._unread.add(table.name)
        opened.batch.positions.append((table_partition(self._settings.prefix, table.name), position.json()))

    def _cannot(self, error: DataError, table: _Table, lsn: int) -> None:
        mode = self._settings["event.processing.failure.handling.mode"]
        where = f"a change of {table.name} at {format_lsn(lsn)} cannot be turned into a record: {error}"
        if mode == "fail":
            raise Fatal(
                f"{where}. Nothing of this transaction after it was read. Leave the column out with "
                "column.exclude.list, or set event.processing.failure.handling.mode = warn to go on without the change"
            ) from error
        if mode == "warn":
            _log.warning("%s; left out, as event.processing.failure.handling.mode says", where)
