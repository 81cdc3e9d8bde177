"""One task of the Postgres view: rows and offsets in one transaction, fenced by the offset rows.

Every transaction locks its partitions' offset rows, demands that they stand where the batch begins, reads the
generation's physical table names under that lock, and writes to these: a task that was replaced, or whose generation
was swapped out meanwhile, cannot write into anybody else's rows.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence

import psycopg

from headwater.worker.api import (
    DataError,
    Fatal,
    Fenced,
    Record,
    Retriable,
    Sink,
    SinkBatch,
    TaskContext,
    TopicPartition,
    is_again,
)

from .connection import Connection, connect, meaning, meant
from .existing import check_tables_exist
from .meanings import is_log, tells_by_log_key
from .offsets import Offsets
from .packing import origin_topic
from .refused import Place, forget, place_of, remember
from .rows import Change, Op, Plan, Rows
from .state import TableState, lock_tables, open_state, read_tables
from .tables import Builder, check_keys, fits
from .upsert import Writer

_log = logging.getLogger(__name__)

LOCK_TIMEOUT_MS = 60_000
"""How long a write waits for somebody's lock before the runtime is told to try again."""


LONGEST_PAUSE_S = 5.0
"""Between tries to change a table; after that the runtime is told to try again."""


class PostgresSink(Sink):
    def open(self, context: TaskContext) -> None:
        self._context = context
        self._values = context.values
        self.every_record = is_log(context.values)
        self.rows_by_log_key = tells_by_log_key(context.values)
        self._state: str = self._values["state.schema"]
        self._offsets = Offsets(self._state, context.connector, context.generation, uuid.uuid4().hex)
        self._tables: dict[str, TableState] = {}
        self._revision = -1
        self._current = False
        self._connection: Connection | None = None
        self._known: dict[TopicPartition, int | None] = {}
        self._durable: dict[TopicPartition, int] = {}
        self._reported: set[tuple[str, int | None, int | None]] = set()
        self._forget()
        connection = self._connected()
        with meaning("preparing Headwater's tables in the view's database"):
            open_state(connection, self._state)
            self._offsets.ensure_generation(connection)
            row = connection.execute("SELECT current_schema()").fetchone()
        if row is None or row[0] is None:
            raise Fatal("the view's user has no schema to make tables in: set its search_path, or grant USAGE on one")
        self._default_schema: str = row[0]
        self._rows = Rows(self._values, row[0])

    def assign(self, partitions: Mapping[TopicPartition, str]) -> dict[TopicPartition, int | None]:
        connection = self._connected()
        topics = {p.topic for p in partitions if not is_again(p.topic)}
        if self._values["schema.evolution"] == "validate-only" and not self._values.get("transforms"):
            with meaning("looking for the view's tables"):
                check_tables_exist(connection, self._values, self._default_schema, topics)
        with meaning("taking over the view's partitions"):
            found = self._offsets.take_over(connection, partitions)
        self._known.update(found)
        self._durable.update({partition: offset for partition, offset in found.items() if offset is not None})
        return found

    def revoke(self, partitions: Sequence[TopicPartition]) -> None:
        if self._ends:
            self._commit()
        for partition in partitions:
            self._known.pop(partition, None)
            self._durable.pop(partition, None)

    def write(self, batch: SinkBatch) -> None:
        if len(self._changes) >= self._values["batch.size"]:
            self._commit()  # before the batch is taken: after an error the same batch can be given again
        for partition, first in batch.first.items():
            if partition not in self._known:
                raise Fatal(f"{partition} was written to the view without being assigned to this task")
            expected = self._known[partition]
            if expected is not None and expected != first:
                raise Fenced(f"{partition}: the view holds the log up to {expected}, the batch begins at {first}")
        if any(is_again(partition.topic) for partition in batch.first):
            self._again.update(_places(batch.records))
        changes = []
        for record in batch.records:
            try:
                change = self._rows.change(record)
            except DataError as error:
                self._report(record, error)
            else:
                if change is not None:
                    changes.append(change)
        self._changes += changes
        for partition, first in batch.first.items():
            self._starts.setdefault(partition, first)
        self._ends.update(batch.next)
        self._known.update(batch.next)

    def flush(self) -> dict[TopicPartition, int]:
        self._commit()
        return dict(self._durable)

    def close(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()
            self._connection = None

    def _forget(self) -> None:
        self._changes: list[Change] = []
        self._again: set[Place] = set()
        self._refused: set[Place] = set()
        self._starts: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._values)
            self._connection.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
            self._writer = Writer(
                self._connection, self._state, self._context.connector, self._context.generation,
                self._values["unavailable.value.placeholder"], self._values["insert.mode"],
            )  # fmt: skip
        return self._connection

    def _commit(self) -> None:
        """Write what is held. After an error nothing of it is in the view, and the call can be made again."""
        if not self._ends:
            return
        connection = self._connected()
        try:
            if all(self._starts.get(p) == end for p, end in self._ends.items()) and not self._changes:
                return
            refused = self._evolve(connection)
            with connection.transaction():
                self._write(connection, refused)
        except psycopg.Error as error:
            self._distrust()
            if connection.broken:
                connection.close()
            raise meant(error, f"writing to the view {self._context.connector}") from error
        except BaseException:
            self._distrust()
            raise
        self._durable.update(self._ends)
        self._reported.clear()
        self._forget()

    def _distrust(self) -> None:
        """Forget what a transaction that failed may have left in memory."""
        self._writer.rolled_back()
        self._revision = -1
        self._tables = {}

    def _write(self, connection: Connection, refused: Mapping[Plan, DataError]) -> None:
        if self._lock(connection):
            return
        self._reload(connection)
        self._writer.begin()
        self._refused.clear()
        by_part: dict[str, list[Change]] = {}
        for change in self._changes:
            if change.plan in refused:
                self._refuse(change.record, refused[change.plan])
            else:
                by_part.setdefault(change.plan.part, []).append(change)
        for change in self._kinds(Op.UPSERT):
            if change.plan not in refused and not self._fits(change):
                raise Retriable(f"the table {change.plan.part} was changed by somebody else; it is looked at again")
        for part in sorted(by_part):
            table = self._tables.get(part)
            if table is not None:  # else: deletes of rows that never came
                self._write_part(table, by_part[part])
        scope = self._state, self._context.connector, self._context.generation
        remember(connection, *scope, self._refused)
        forget(connection, *scope, self._again - self._refused)
        self._offsets.advance(connection, self._ends)

    def _write_part(self, table: TableState, changes: list[Change]) -> None:
        held: list[Change] = []
        for change in changes:
            if change.op is Op.TRUNCATE:
                if table.version and held:  # some may be newer
                    self._writer.apply(table, held, self._refuse)
                self._writer.truncate(table, change.record)
                held = []
            else:
                held.append(change)
        if held:
            self._writer.apply(table, held, self._refuse)

    def _lock(self, connection: Connection) -> bool:
        """Lock the offset rows. True: this very batch is in the view, the answer to its commit got lost."""
        stored = self._offsets.lock(connection, self._ends)
        if stored == self._ends and stored != self._starts:
            return True
        for partition, first in self._starts.items():
            if stored[partition] not in (None, first):
                raise Fenced(
                    f"{partition}: the view holds the log up to {stored[partition]}, the batch begins at {first}"
                )
        return False

    def _reload(self, connection: Connection) -> None:
        """Read the generation's tables again if somebody changed them; the offset rows are locked."""
        self._current, revision = self._offsets.generation_state(connection)
        if revision != self._revision:
            found = read_tables(connection, self._state, self._context.connector, self._context.generation)
            # an equal table stays the same object: row packers hang on it
            self._tables = {
                part: self._tables[part] if self._tables.get(part) == table else table for part, table in found.items()
            }
            self._revision = revision

    def _evolve(self, connection: Connection) -> dict[Plan, DataError]:
        """Make the tables fit, in a transaction of its own; returns the plans that no table can be made to fit."""
        wanted: dict[Plan, set[str]] = {}
        for change in self._kinds(Op.UPSERT):
            if not self._fits(change):
                wanted.setdefault(change.plan, set()).add(origin_topic(change.record))
        refused: dict[Plan, DataError] = {}
        if wanted:
            self._make_all_fit(connection, wanted, refused)
        for change in self._kinds(Op.DELETE):
            table = self._tables.get(change.plan.part)
            if table is not None:
                try:
                    check_keys(table, change.plan)
                except DataError as error:
                    refused[change.plan] = error
        return refused

    def _kinds(self, op: Op) -> list[Change]:
        """One of the held changes for each plan and topic."""
        return list({(c.plan, origin_topic(c.record)): c for c in self._changes if c.op is op}.values())

    def _fits(self, change: Change) -> bool:
        """Can the change be written as its table stands?"""
        return fits(self._tables.get(change.plan.part), change.plan, origin_topic(change.record))

    def _make_all_fit(
        self, connection: Connection, wanted: Mapping[Plan, set[str]], refused: dict[Plan, DataError]
    ) -> None:
        """Tries again where readers or other tasks hold a table longer than they may be held up for it."""
        pause = 0.1
        while True:
            try:
                with connection.transaction():
                    connection.execute(f"SET LOCAL lock_timeout = {self._values['swap.lock.timeout.ms']}")
                    if not self._lock(connection):
                        lock_tables(connection, self._state, self._context.connector)
                        self._reload(connection)
                        for plan in sorted(wanted, key=lambda p: p.part):
                            self._make_fit(connection, plan, sorted(wanted[plan]), refused)
                break
            except psycopg.errors.LockNotAvailable:
                self._distrust()
                refused.clear()
                if pause > LONGEST_PAUSE_S or self._context.stopping.wait(pause):
                    raise
                pause *= 2
        self._revision = -1  # read back what was made, as it was committed

    def _make_fit(
        self, connection: Connection, plan: Plan, topics: Sequence[str], refused: dict[Plan, DataError]
    ) -> None:
        context = self._context
        builder = Builder(self._values, self._state, context.connector, context.generation, self._current)
        for topic in topics:
            table = self._tables.get(plan.part)
            if fits(table, plan, topic):
                continue
            try:
                with connection.transaction():
                    self._tables[plan.part] = builder.evolve(connection, table, plan, topic)
            except DataError as error:
                refused[plan] = error
                return
            _log.info("table %s of the view now fits the records of %s", plan.part, topic)

    def _refuse(self, record: Record, error: Exception) -> None:
        """The database does not take it; whoever compares the view with the log has to know. May raise."""
        self._report(record, error)
        self._refused.update(_places([record]))

    def _report(self, record: Record, error: Exception) -> None:
        """Hand a record over that cannot be written, once for each time it is read. May raise."""
        marker = (origin_topic(record), record.partition, record.offset)
        if marker in self._reported:
            return
        if self._context.report_bad_record is None:
            raise error
        self._context.report_bad_record(record, error)
        self._reported.add(marker)


def _places(records: Sequence[Record]) -> set[Place]:
    return {place for place in map(place_of, records) if place is not None}
