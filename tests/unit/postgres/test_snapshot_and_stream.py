"""The same value gives the same event from COPY and from pgoutput, and it is the right one: on a real server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import pq, sql

from headwater.connectors.postgres.catalog import TableInfo, Types, read_tables, read_types
from headwater.connectors.postgres.session import startup_options
from headwater.connectors.postgres.source.codec import TableCodec
from headwater.connectors.postgres.source.copy_text import parse_lines
from headwater.connectors.postgres.source.frame import XLogData, parse_frame, status_update
from headwater.connectors.postgres.source.pgoutput import Commit, Insert, Relation, parse
from headwater.connectors.postgres.source.relation import with_relation
from headwater.connectors.postgres.types.modes import ValueModes
from tests.conftest import Database
from tests.servers.postgres import PostgresServer

from .value_cases import CASES, Case, parameters

pytestmark = pytest.mark.system

NAMES = [f"c{number}" for number in range(len(CASES))]
TYPES_SQL = """
CREATE EXTENSION hstore; CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('sad', 'so, so', 'q"uote\\');
CREATE DOMAIN positive AS numeric(12,2) CHECK (value > 0);
"""


@dataclass
class Setup:
    connection: psycopg.Connection[Any]
    types: Types
    table: TableInfo

    def snapshot(self) -> list[dict[str, Any]]:
        codec = TableCodec(self.table, self.types, ValueModes(), "srv")
        with self.connection.cursor().copy("COPY (SELECT * FROM public.t ORDER BY n) TO STDOUT") as copy:
            return [codec.decode_row(row) for block in copy for row in parse_lines(block)]

    def decode(self, messages: list[bytes]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        codec: TableCodec | None = None
        for message in map(parse, messages):
            if isinstance(message, Relation):
                codec = TableCodec(with_relation(self.table, message), self.types, ValueModes(), "srv")
            elif isinstance(message, Insert):
                assert codec is not None
                rows.append(codec.decode_row(message.new))
        return rows


@pytest.fixture(scope="module")
def setup(pg: PostgresServer) -> Iterator[Setup]:
    pg.create_database("values")
    with psycopg.connect(pg.dsn("values"), autocommit=True) as admin:
        admin.execute(TYPES_SQL)
        columns = ", ".join(f"{name} {case.type}" for name, case in zip(NAMES, CASES, strict=True))
        admin.execute(f"CREATE TABLE t (n serial PRIMARY KEY, {columns})")
        admin.execute("CREATE PUBLICATION p FOR TABLE t")
        admin.execute("SELECT pg_create_logical_replication_slot('values', 'pgoutput')")
        for setting in ("datestyle = 'German'", "timezone = 'Asia/Tokyo'", "bytea_output = 'escape'"):
            admin.execute(f"ALTER DATABASE values SET {setting}")
        admin.execute("ALTER DATABASE values SET intervalstyle = 'sql_standard'")
    with psycopg.connect(pg.dsn("values"), options=startup_options(), autocommit=True) as connection:
        table = next(table for table in read_tables(connection).values() if table.name == "t")
        yield Setup(connection, Types(lambda: read_types(connection)), table)
    pg.drop_database("values")


def insert(connection: psycopg.Connection[Any], rows: list[tuple[Any, ...]]) -> None:
    connection.execute("SET search_path = public")
    with connection.transaction():
        for row in rows:
            made = [
                case.sql if case.sql != "%s" else f"%s::{case.type}" if value is not None else "%s"
                for case, value in zip(CASES, row, strict=True)
            ]
            holes = ["NULL" if value is None else expression for expression, value in zip(made, row, strict=True)]
            bound = [
                p for case, value in zip(CASES, row, strict=True) if value is not None for p in parameters(case, value)
            ]
            statement = f"INSERT INTO public.t ({', '.join(NAMES)}) VALUES ({', '.join(holes)})"
            connection.execute(statement, bound)
    connection.execute("SET search_path = pg_catalog")


def check(case: Case, event: Any, value: Any) -> None:
    if value is None:
        assert event is None
    else:
        expected = case.expected(value)
        assert case.same(event, expected), f"{case.type}: {value!r} gave {event!r}, not {expected!r}"


def slot_messages(connection: psycopg.Connection[Any]) -> list[bytes]:
    options = "'proto_version', '1', 'publication_names', 'p'"
    query = f"SELECT data FROM pg_logical_slot_get_binary_changes('values', NULL, NULL, {options})"
    return [bytes(row[0]) for row in connection.execute(query).fetchall()]


ROWS = st.lists(st.tuples(*(st.none() | case.values for case in CASES)), min_size=1, max_size=4)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(rows=ROWS)
def test_every_type(setup: Setup, rows: list[tuple[Any, ...]]) -> None:
    setup.connection.execute("TRUNCATE public.t")
    slot_messages(setup.connection)
    insert(setup.connection, rows)
    snapshot = setup.snapshot()
    streamed = setup.decode(slot_messages(setup.connection))
    assert repr(snapshot) == repr(streamed)  # NaN is not equal to itself
    assert len(snapshot) == len(rows)
    for event, row in zip(snapshot, rows, strict=True):
        for name, case, value in zip(NAMES, CASES, row, strict=True):
            check(case, event[name], value)


def walsender_messages(dsn: str, end: Callable[[list[bytes]], bool]) -> list[bytes]:
    connection = psycopg.connect(dsn, replication="database", options=startup_options(), autocommit=True)
    with contextlib.closing(connection):
        wire = connection.pgconn
        command = b"START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')"
        assert wire.exec_(command).status == pq.ExecStatus.COPY_BOTH
        wire.nonblocking = 0
        messages: list[bytes] = []
        while not end(messages):
            _, data = wire.get_copy_data(0)
            frame = parse_frame(data)
            if isinstance(frame, XLogData):
                messages.append(frame.payload)
            elif frame.reply_requested:
                wire.put_copy_data(status_update(0, 0, 0, frame.server_time_us))
                wire.flush()
        return messages


def test_a_walsender_obeys_the_session_settings(
    any_pg: PostgresServer, make_database: Callable[[PostgresServer], Database]
) -> None:
    database = make_database(any_pg)
    with database.connect() as admin:
        for setting in ("datestyle = 'German'", "timezone = 'Asia/Tokyo'", "intervalstyle = 'sql_standard'",
                        "bytea_output = 'escape'", "extra_float_digits = -5"):  # fmt: skip
            admin.execute(sql.SQL("ALTER DATABASE {} SET " + setting).format(sql.Identifier(database.name)))
    with psycopg.connect(database.dsn, options=startup_options(), autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE public.t (n int PRIMARY KEY, d date, z timestamptz, i interval, b bytea, f float)"
        )
        connection.execute("CREATE PUBLICATION p FOR TABLE public.t")
        connection.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
        values = "1, '2020-02-01', '2020-02-01 03:04:05+00', '1 year -1 day', '\\x00ff', 0.1::float8 + 0.2::float8"
        connection.execute(f"INSERT INTO public.t VALUES ({values})")
        table = next(iter(read_tables(connection).values()))
        setup = Setup(connection, Types(lambda: read_types(connection)), table)
        snapshot = setup.snapshot()

        def committed(messages: list[bytes]) -> bool:
            return any(isinstance(parse(message), Commit) for message in messages)

        streamed = setup.decode(walsender_messages(database.dsn, committed))
    assert snapshot == streamed == [
        {"n": 1, "d": 18293, "z": "2020-02-01T03:04:05.000000Z", "i": 31471200000000, "b": b"\x00\xff",
         "f": 0.30000000000000004}
    ]  # fmt: skip
