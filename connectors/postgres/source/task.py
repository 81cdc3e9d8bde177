"""The source's task: a snapshot, then the stream, with a small hand-off in between."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import psycopg

from headwater.connectors.debezium.side_schemas import HEARTBEAT_KEY_SCHEMA, HEARTBEAT_VALUE_SCHEMA
from headwater.worker.api import (
    Batch,
    Fatal,
    Partition,
    Position,
    Progress,
    Record,
    Retriable,
    Source,
    TaskContext,
    TopicSettings,
)

from . import server
from .capture import Capture, Capturer
from .connection import Connection, connect
from .events import topic_settings
from .failures import failure
from .position import (
    Stored,
    StreamPosition,
    TablePosition,
    read_positions,
    server_partition,
    stream_partition,
    stream_position,
    table_partition,
)
from .publication import demand_publication
from .replication import Replication
from .resume import Start, adopt, adopted_tables, first_start, resume
from .settings import Settings, settings_of
from .slot import ExactPoint, create_slot, drop_slot, find_slot, take_over
from .slot_lag import SlotLag
from .snapshot import Snapshot
from .snapshot_start import SnapshotStart, temporary_point
from .stream import Stream
from .table import Describer
from .tables import Candidate, TableFilter

LOOK_S: Final = 10.0
"""How often to look for tables that have come to match, and at the slot."""
POINT_S: Final = 10.0
"""How long the stream may stand still for a point at which to read a new table."""
_log = logging.getLogger(__name__)


class PostgresSource(Source):
    """Postgres -> change events. See `position` for what it stores, and docs/decisions/0005-postgres-source.md."""

    _settings: Settings
    _control: Connection | None = None
    _snapshot: Snapshot | None = None
    _stream: Stream | None = None
    _exact: ExactPoint | None = None

    def open(self, context: TaskContext, positions: Sequence[tuple[Partition, Position]]) -> None:
        self._context = context
        self._settings = settings = settings_of(context.values, context.connector)
        self._first: Batch | None = None
        self._start: Start | None = None
        self._next_look = time.monotonic() + LOOK_S
        self._heartbeat_due = 0.0
        self._lag = SlotLag()
        self._unread = False
        self._keyed: dict[str, bool] = {}
        self._stored = read_positions(settings.prefix, positions)
        self._control = connect(settings)
        try:
            self._open(self._stored, settings)
        except psycopg.Error as error:
            raise failure(error, "starting the capture") from None

    def _open(self, stored: Stored, settings: Settings) -> None:
        control = self._connection
        server.demand_logical(control)
        self._target = server.wal_end(control)
        self._filter = TableFilter(settings.raw)
        self._describer = Describer(control, settings, self._filter, self._context.task)
        self._capturer = Capturer(control, settings, self._filter)
        if stored.from_debezium:
            demand_publication(control, settings)
        # before the slot: the server decodes a change with the catalogue of its time
        begun = stored.stream is not None or bool(stored.tables)
        capture = self._capturer.capture(lenient=stored.stream is not None, may_be_none=begun)
        if settings.streams:
            self._start = self._find_start(stored)
        self._tables: dict[str, TablePosition] = dict(stored.tables)
        opening = self._opening_batch(capture)
        if stored.from_debezium and self._start is not None:
            names = {t.full_name for t in capture.tables} - capture.added - set(self._tables)
            fresh = self._exact is not None
            adopted = adopted_tables(names, self._start.position.version, stored.unfinished, fresh)
            self._tables |= adopted
            opening.positions += [(table_partition(settings.prefix, n), t.json()) for n, t in adopted.items()]
        self._leave(capture, opening)
        pending = self._pending(capture, at_start=True)
        if stored.stream is None:
            self._begin_snapshot(capture, pending, opening)
        else:
            self._try_snapshot(capture, pending, opening)
        self._leave_exact()
        if opening.positions or opening.restarted:
            self._first = opening

    def _find_start(self, stored: Stored) -> Start:
        settings, control = self._settings, self._connection
        replication = Replication(settings)
        keep = False
        try:
            identity = server.identify(replication, stored.stream.timeline if stored.stream else None)
            take_over(control, settings)
            slot = find_slot(control, settings)
            if stored.stream is not None:
                strategy = settings["offset.mismatch.strategy"]
                trust = strategy in ("trust_slot", "trust_greater_lsn")
                if not stored.from_debezium:
                    return resume(stored.stream, identity, slot, trust)
                _log.info("taking over from Debezium at %s", stored.stream)
                validate = strategy == "trust_offset" and self._context.values.given("offset.mismatch.strategy")
                return adopt(stored.stream, identity, slot, validate, trust)
            stored.tables.clear()  # without a stream nothing ties these rows to what comes
            epoch = stored.server.epoch if stored.server else 0
            if slot is not None:
                if slot.lost:
                    raise Fatal(
                        f"slot {slot.name!r} has lost its WAL ({slot.lost}). Drop it: Headwater makes a new one"
                    )
                return first_start(identity, slot.confirmed, settings.snapshots, epoch)
            self._context.stopping.wait(settings["snapshot.delay.ms"] / 1000)
            self._exact = create_slot(replication, control, settings, None, self._context.stopping.is_set)
            keep = True
            return first_start(identity, self._exact.lsn, settings.snapshots, epoch)
        finally:
            if not keep:
                replication.close()

    def _opening_batch(self, capture: Capture) -> Batch:
        """Store where the stream begins before anything is read: the slot exists from now on."""
        batch = Batch()
        if self._start is None:
            return batch
        prefix, position = self._settings.prefix, self._start.position
        if position != self._stored.stream or self._stored.from_debezium:
            batch.positions.append((stream_partition(prefix), position.json()))
        if position.server != self._stored.server:
            batch.positions.append((server_partition(prefix), position.server.json()))
        if self._start.gap:
            _log.warning("changes before %s may be missing, as offset.mismatch.strategy allows", position)
            batch.restarted = tuple(self._settings.topic(t.schema, t.name) for t in capture.tables)
        return batch

    def _leave(self, capture: Capture, opening: Batch) -> None:
        """Note tables that are not captured any more, or were not for a while.

        Their topics stay what they are, complete as of then; the mark goes when they are read again.
        """
        missed = set(self._tables) - {table.full_name for table in capture.tables} | set(capture.added)
        for name in sorted(missed & set(self._tables)):
            known = self._tables[name]
            if known.state == "left" or known.untouched:
                continue
            _log.warning("%s is not captured, or was not until now: what was deleted since stays in its topic", name)
            self._tables[name] = left = replace(known, state="left", ghosts=True)
            opening.positions.append((table_partition(self._settings.prefix, name), left.json()))

    def _pending(self, capture: Capture, at_start: bool = False) -> list[Candidate]:
        """Tables of which rows are still to be read."""
        if not self._settings.snapshots:
            return []
        again = at_start and self._settings["snapshot.mode"] == "always"
        pending = []
        for table in capture.tables:
            known = self._tables.get(table.full_name)
            if self._filter.snapshots(table.full_name) and (known is None or not known.complete or again):
                pending.append(table)
        return pending

    def _try_snapshot(self, capture: Capture, tables: Sequence[Candidate], opening: Batch) -> None:
        """Begin to read these tables now, or else let the stream go on and try again later.

        A transaction that stays open for hours keeps a new point from being made; other tables must not wait for it.
        """
        try:
            self._begin_snapshot(capture, tables, opening, POINT_S)
            self._unread = False
        except Retriable as error:
            names = ", ".join(table.full_name for table in tables)
            _log.warning("%s cannot be read yet: %s. The stream goes on; trying again later", names, error)
            self._unread = True
            self._next_look = time.monotonic() + 6 * LOOK_S

    def _begin_snapshot(
        self, capture: Capture, tables: Sequence[Candidate], opening: Batch, timeout_s: float | None = None
    ) -> None:
        if not tables:
            return
        exact, self._exact = self._exact, None
        if exact is None:
            exact = temporary_point(self._connection, self._settings, self._is_stopping, timeout_s)
        epoch = self._start.position.epoch if self._start else 0
        begun = SnapshotStart(self._settings, self._describer, capture, exact, epoch, tables, self._tables)
        self._snapshot = begun.snapshot
        self._keyed.update(begun.snapshot.keyed)
        self._tables |= begun.positions
        for name, position in begun.positions.items():
            opening.positions.append((table_partition(self._settings.prefix, name), position.json()))
        opening.restarted = tuple(dict.fromkeys((*opening.restarted, *begun.restarted)))

    def read(self, timeout_s: float) -> Batch | None:
        timeout_s = min(timeout_s, self._settings["poll.interval.ms"] / 1000)
        try:
            batch = self._read(timeout_s)
        except psycopg.Error as error:
            raise failure(error, "reading from the source", self._reconnect_after()) from None
        if batch is not None:
            for record in batch.records:
                self._keyed.setdefault(record.topic, record.key is not None)
        return self._with_heartbeat(batch)

    def _read(self, timeout_s: float) -> Batch | None:
        if self._first is not None:
            batch, self._first = self._first, None
            return batch
        if self._snapshot is not None:
            return self._read_snapshot(self._snapshot, timeout_s)
        if self._stream is None:
            if self._start is None:  # initial_only, and all is read
                self._report(Progress("snapshot", caught_up=True))
                self._context.stopping.wait(timeout_s)
                return None
            self._begin_stream(self._start.position)
        assert self._stream is not None
        self._look(self._stream)
        if self._first is not None or self._snapshot is not None:
            return self._read(timeout_s)
        return self._stream.read(timeout_s)

    def _is_stopping(self) -> bool:
        """Asked while something takes long: keeps the server from giving the stream up."""
        if self._stream is not None:
            self._stream.send_status()
        return self._context.stopping.is_set()

    def _read_snapshot(self, snapshot: Snapshot, timeout_s: float) -> Batch | None:
        batch = snapshot.read(timeout_s)
        self._tables |= snapshot.positions
        self._report(snapshot.progress())
        if batch is None and snapshot.finished:
            self._end_snapshot(snapshot)
        return batch

    def _end_snapshot(self, snapshot: Snapshot) -> None:
        _log.info("the snapshot is complete")
        snapshot.close(self._settings["executor.shutdown.timeout.ms"] / 1000)
        self._snapshot = None
        if self._stream is not None:
            for name, position in snapshot.positions.items():
                self._stream.table_read(name, position)
        else:
            self._context.stopping.wait(self._settings["streaming.delay.ms"] / 1000)

    def _begin_stream(self, position: StreamPosition) -> None:
        take_over(self._connection, self._settings)
        replication = Replication(self._settings)
        self._stream = Stream(self._settings, self._describer, replication, position, self._tables)
        self._stream.start()

    def _look(self, stream: Stream) -> None:
        """Now and then: tables that have come to match are published and read; the lag is reported."""
        now = time.monotonic()
        if not stream.between_transactions or (now < self._next_look and not stream.unread):
            return
        self._next_look = now + LOOK_S
        stream.unread.clear()
        self._lag.look(server.wal_end(self._connection), stream.durable.commit_lsn)
        self._report_stream(stream)
        opening = Batch()
        try:
            capture = self._capturer.capture(lenient=True)
        except Retriable as error:
            _log.warning("looking for new tables: %s", error)
            return
        self._leave(capture, opening)
        self._try_snapshot(capture, self._pending(capture), opening)
        if opening.positions:
            self._first = opening

    def topic(self, name: str) -> TopicSettings:
        if name == self._settings.heartbeat_topic:
            return TopicSettings(1, topic_settings(True, False).config)
        return topic_settings(self._keyed.get(name, True), self._settings.captures_truncates)

    def ack(self, positions: Sequence[tuple[Partition, Position | None]]) -> None:
        own = stream_partition(self._settings.prefix)
        for partition, position in positions:
            if partition == own and position is not None and self._stream is not None:
                self._stream.ack(stream_position(position))
        if self._stream is not None:
            self._stream.send_status()
            if self._snapshot is None:
                self._report_stream(self._stream)

    def close(self) -> None:
        self._leave_exact()
        if self._snapshot is not None:
            self._snapshot.close(self._settings["executor.shutdown.timeout.ms"] / 1000)
            self._snapshot = None
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        if self._control is not None:
            control, self._control = self._control, None
            try:
                if self._settings["slot.drop.on.stop"] and self._context.stopping.is_set():
                    drop_slot(control, self._settings)
            finally:
                control.close()

    @property
    def _connection(self) -> Connection:
        assert self._control is not None
        return self._control

    def _leave_exact(self) -> None:
        exact, self._exact = self._exact, None
        if exact is not None:
            exact.connection.close()

    def _with_heartbeat(self, batch: Batch | None) -> Batch | None:
        interval_ms = self._settings["heartbeat.interval.ms"]
        now = time.monotonic()
        if not interval_ms or now < self._heartbeat_due:
            return batch
        self._heartbeat_due = now + interval_ms / 1000
        if query := self._settings["heartbeat.action.query"]:
            self._connection.execute(query.encode())
        batch = batch or Batch(ends_transaction=self._stream is None or self._stream.between_transactions)
        batch.records.append(
            Record(
                self._settings.heartbeat_topic,
                {"serverName": self._settings.prefix},
                {"ts_ms": time.time_ns() // 1_000_000},
                HEARTBEAT_KEY_SCHEMA,
                HEARTBEAT_VALUE_SCHEMA,
            )
        )
        return batch

    def _report_stream(self, stream: Stream) -> None:
        durable = stream.durable.commit_lsn
        reached = durable >= self._target and not self._unread
        self._report(Progress("stream", stream.records, lag=self._lag.read(durable), caught_up=reached))

    def _report(self, progress: Progress) -> None:
        self._context.report_progress(progress)

    def _reconnect_after(self) -> float | None:
        given = self._context.values.given("retriable.restart.connector.wait.ms")
        return self._settings["retriable.restart.connector.wait.ms"] / 1000 if given else None
