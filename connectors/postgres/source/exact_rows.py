"""Rows read beside the stream: an exact snapshot for `verify --source`, and a few rows of each table for `preview`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final

import psycopg
from psycopg import sql

from headwater.connectors.debezium.source_block import SNAPSHOT_TRUE
from headwater.worker.api import Partition, Position, Record, SourceRows

from . import chunks, server
from .connection import Connection, connect
from .copy_text import parse_line
from .events import Moment
from .failures import failure
from .position import read_positions, version_of
from .publication import Publication, find_publication
from .settings import Settings
from .snapshot_start import temporary_point
from .table import Describer, SnapshotTable
from .tables import TableFilter, candidates, captured

PREVIEW_ROWS: Final = 100
"""Of each table at most."""


def exact_rows(
    settings: Settings, topics: Sequence[str], positions: Sequence[tuple[Partition, Position]]
) -> SourceRows:
    """All rows behind `topics` (none given: of every captured table), as a snapshot would write them.

    `positions`: the connector's stored ones, for the epoch. The version is one below the exact point: what commits at
    the point is not in the rows. The rows must be read to their end, or their iterator closed.
    """
    stored = read_positions(settings.prefix, positions)
    epoch = stored.stream.epoch if stored.stream else 0
    connection = connect(settings, "for an exact snapshot")
    try:
        server.demand_logical(connection)
        exact = temporary_point(connection, settings, lambda: False)
        try:
            _begin(connection)
            connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(exact.snapshot))
            tables = _tables(connection, settings, topics)
        finally:
            exact.connection.close()
    except BaseException as error:
        connection.close()
        if isinstance(error, psycopg.Error):
            raise failure(error, "taking an exact snapshot") from None
        raise
    version = version_of(epoch, exact.lsn)
    return SourceRows(version - 1, _all_rows(connection, tables, _moment(version, exact.lsn)))


def preview_rows(settings: Settings) -> Iterator[Record]:
    """Rows of every captured table in turn. Needs no slot and no publication, and leaves no trace."""
    try:
        with connect(settings, "for a preview") as connection:
            yield from _rows_in_turn(connection, settings)
    except psycopg.Error as error:
        raise failure(error, "reading rows for a preview") from None


def _rows_in_turn(connection: Connection, settings: Settings) -> Iterator[Record]:
    _begin(connection)
    tables = _tables(connection, settings, ())
    lsn = server.wal_end(connection)
    moment = _moment(version_of(0, lsn), lsn)
    open_tables = [_some_rows(connection, table, moment) for table in tables]
    while open_tables:
        for rows in list(open_tables):
            record = next(rows, None)
            if record is None:
                open_tables.remove(rows)
            else:
                yield record


def _begin(connection: Connection) -> None:
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    connection.execute("SET LOCAL row_security = off")


def _moment(version: int, lsn: int) -> Moment:
    now = time.time_ns() // 1000
    return Moment(version, lsn, now, now)


def _tables(connection: Connection, settings: Settings, topics: Sequence[str]) -> list[SnapshotTable]:
    filter = TableFilter(settings.raw)
    publication = find_publication(connection, settings.publication)
    via_root = settings.partition_root if publication is None else publication.via_root
    found = [
        table
        for table in captured(candidates(connection), filter, via_root)
        if (not topics or settings.topic(table.schema, table.name) in topics)
        and (not topics or filter.snapshots(table.full_name))
    ]
    generated = server.version(connection) >= 180_000
    known = publication or Publication(True, via_root, generated, frozenset("cudt"))
    return Describer(connection, settings, filter).tables([t.oid for t in found], known, {})


def _all_rows(connection: Connection, tables: Sequence[SnapshotTable], moment: Moment) -> Iterator[Record]:
    try:
        with connection:
            connection.execute("SET LOCAL statement_timeout = 0")
            for table in tables:
                with (
                    connection.cursor() as cursor,
                    cursor.copy(chunks.copy_statement(table.relation, None, None)) as copy,
                ):
                    for line in copy:
                        yield table.events.read(parse_line(bytes(line)), moment, SNAPSHOT_TRUE)
    except psycopg.Error as error:
        raise failure(error, "reading an exact snapshot") from None


def _some_rows(connection: Connection, table: SnapshotTable, moment: Moment) -> Iterator[Record]:
    statement = chunks.copy_statement(table.relation, None, None, limit=PREVIEW_ROWS)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        lines = [bytes(line) for line in copy]
    for line in lines:
        yield table.events.read(parse_line(line), moment, SNAPSHOT_TRUE)
