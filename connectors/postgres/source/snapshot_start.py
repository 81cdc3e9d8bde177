"""From an exact point to a running snapshot: connections that share it, tables held still, where each begins."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import psycopg
from psycopg import sql

from headwater.worker.api import Fatal, Retriable

from .capture import Capture
from .connection import Connection, connect, rows, value
from .failures import failure
from .position import TablePosition, version_of
from .replication import Replication
from .server import Stopping
from .settings import Settings
from .slot import ExactPoint, create_slot
from .snapshot import Point, Snapshot
from .snapshot_reader import SnapshotReader, ToRead
from .table import Describer, SnapshotTable
from .tables import Candidate

AHEAD_BYTES: Final = 32 * 1024 * 1024
_log = logging.getLogger(__name__)


def temporary_point(
    connection: Connection, settings: Settings, stopping: Stopping, timeout_s: float | None = None
) -> ExactPoint:
    """A new exact point, from a slot that goes with its connection. Raises `Retriable`, `Fatal`."""
    replication = Replication(settings)
    try:
        name = f"{settings.slot[:40]}_t{os.getpid() % 100_000}_{time.time_ns() // 1000 % 10**9}"
        return create_slot(replication, connection, settings, name, stopping, timeout_s)
    except BaseException:
        replication.close()
        raise


class SnapshotStart:
    """`tables`: those to read, at `exact`, whose connection is closed in any case.

    `restarted`: tables of which nothing that is on the log counts any more.
    """

    def __init__(
        self,
        settings: Settings,
        describer: Describer,
        capture: Capture,
        exact: ExactPoint,
        epoch: int,
        tables: Sequence[Candidate],
        known: Mapping[str, TablePosition],
    ) -> None:
        self._settings = settings
        self._connections: list[Connection] = []
        version = version_of(epoch, exact.lsn)
        try:
            self._import(exact.snapshot, tables)
            first = self._connections[0]
            described = describer.tables([t.oid for t in tables], capture.publication, capture.estimates())
            self.positions = {t.full_name: begin(t, known.get(t.full_name), version) for t in described}
            self.restarted = [t.events.topic for t in described if _starts_over(self.positions[t.full_name], version)]
            self.snapshot = self._begin(described, self._point(first, version, exact.lsn))
        except psycopg.Error as error:
            self._close()
            raise failure(error, "beginning the snapshot") from None
        except BaseException:
            self._close()
            raise
        finally:
            exact.connection.close()
        _log.info("snapshot of %d tables begins", len(described))

    def _import(self, snapshot: str, tables: Sequence[Candidate]) -> None:
        for _ in range(self._settings["snapshot.max.threads"]):
            connection = connect(self._settings, "for the snapshot")
            self._connections.append(connection)
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot))
            connection.execute("SET LOCAL statement_timeout = 0")
            connection.execute("SET LOCAL row_security = off")  # an error rather than rows silently kept out
            connection.execute(f"SET LOCAL lock_timeout = {int(self._settings['snapshot.lock.timeout.ms'])}".encode())
        self._hold_still(self._connections[0], tables)

    def _hold_still(self, connection: Connection, tables: Sequence[Candidate]) -> None:
        """Lock out what a snapshot does not survive: TRUNCATE and ALTER TABLE empty a table for older snapshots."""
        unreadable = [table.full_name for table in tables if not table.readable]
        if unreadable:
            user = self._settings["database.user"]
            raise Fatal(
                f"{user!r} may not read {', '.join(unreadable)}; no snapshot was begun. Run "
                + "; ".join(f'GRANT SELECT ON "{t.schema}"."{t.name}" TO "{user}"' for t in tables if not t.readable)
            )
        for table in tables:
            only = sql.SQL("ONLY " if table.kind == "r" else "")
            name = sql.Identifier(table.schema, table.name)
            try:
                # what LOCK TABLE does, but a right to read some columns is enough
                connection.execute(sql.SQL("SELECT FROM {}{} LIMIT 0").format(only, name))
            except psycopg.errors.UndefinedTable as error:
                raise Retriable(
                    f"{table.full_name} was dropped as the snapshot began ({error}); trying again", 0
                ) from None
        rewritten = rows(
            connection,
            "SELECT c.oid::regclass::text FROM pg_class c WHERE c.oid IN (SELECT t.relid FROM unnest(%s::oid[]) "
            "o(oid), pg_partition_tree(o.oid) t UNION ALL SELECT unnest(%s::oid[])) AND relkind = 'r' AND "
            "relfilenode <> pg_relation_filenode(c.oid)",
            [[t.oid for t in tables], [t.oid for t in tables]],
        )
        if rewritten:
            names = ", ".join(str(row[0]) for row in rewritten)
            raise Retriable(f"{names}: truncated or rewritten as the snapshot began; Headwater takes a new point", 0)

    def _point(self, connection: Connection, version: int, lsn: int) -> Point:
        transaction = value(connection, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        return Point(version, lsn, time.time_ns() // 1000, int(transaction))

    def _begin(self, described: Sequence[SnapshotTable], point: Point) -> Snapshot:
        settings = self._settings
        to_read = [ToRead(t.relation, self.positions[t.full_name].after) for t in described]
        last = next((n for n in range(len(described) - 1, -1, -1) if self._has_rows(described[n])), -1)
        chunks_in_flight = len(self._connections) + 1
        reader = SnapshotReader(
            self._connections,
            to_read,
            settings["snapshot.chunk.rows"],
            max(1, min(settings["snapshot.fetch.size"], settings["max.queue.size"] // chunks_in_flight)),
            max(1, (settings["max.queue.size.in.bytes"] or AHEAD_BYTES) // chunks_in_flight),
        )
        return Snapshot(
            settings.prefix, point, described, self.positions, reader, last, settings["max.batch.size"]
        )  # fmt: skip

    def _has_rows(self, table: SnapshotTable) -> bool:
        name = sql.Identifier(table.relation.schema, table.relation.name)
        query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(name)
        row = self._connections[0].execute(query).fetchone()
        return bool(row and row[0])

    def _close(self) -> None:
        for connection in self._connections:
            connection.close()


def begin(table: SnapshotTable, known: TablePosition | None, version: int) -> TablePosition:
    """Where to begin a table: after the last key on the log, where rows have keys and the key is the same."""
    order = table.relation.key
    fresh = TablePosition("running", version, version, order, table.relation.types)
    if known is None or known.untouched:
        return fresh
    if known.state == "left":
        return replace(fresh, ghosts=True)
    if not table.events.codec.key_columns:
        return fresh  # rows without a key cannot be told apart: all of them come again
    same = known.key == order and known.types == table.relation.types
    resumed = replace(fresh, first=min(known.first, version), ghosts=known.ghosts)
    if known.state != "running" or not same or known.after is None:
        return resumed
    return replace(resumed, after=known.after, rows=known.rows)


def _starts_over(position: TablePosition, version: int) -> bool:
    return position.first == version and position.after is None
