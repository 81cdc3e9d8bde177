"""The table that everything is measured with, and changes of it in transactions of mixed sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from demo import data

Connection = psycopg.Connection[tuple[Any, ...]]

SOURCE = "shop"
"""The database that it is in."""
LAST_ID = 10**12
"""Of the row that the last change inserts: whoever has it has all."""
TRANSACTIONS = ((200, 1), (50, 10), (10, 100), (2, 1_000), (1, 5_000))
"""(transactions, rows of each) that are repeated until there are as many changes as wanted."""
OPERATIONS = "uuiuuduiui"
"""Of one transaction after the other: update, insert, delete."""

ORDERS = """id bigint PRIMARY KEY, customer integer, status text, note text, price numeric(10, 2),
    weight double precision, paid boolean, made timestamptz, due timestamp, extra jsonb"""
MAKE_ORDERS = """INSERT INTO orders SELECT n, n % 5000, (ARRAY['new', 'paid', 'shipped', 'lost'])[1 + n % 4],
    CASE WHEN n % 3 = 0 THEN 'leave it with the neighbours, please: door ' || n END, (n % 100000) / 100.0,
    n / 7.0, n % 2 = 0, timestamptz '2024-01-01 00:00Z' + n * interval '1.000123 s',
    timestamp '2024-01-01 00:00' + n * interval '1 min', jsonb_build_object('a', n, 'b', ARRAY[true, NULL])
    FROM generate_series(1, {rows}) n"""


@dataclass(frozen=True)
class Table:
    """`touch`: what an update sets. Column `key`, a number, is the primary key.

    `check`: what is the same in equal tables. `definition`: of its columns.
    """

    name: str
    key: str
    columns: int
    touch: str
    check: str
    definition: str

    @property
    def full_name(self) -> str:
        return f"public.{self.name}"


FLIGHTS = Table(
    "flights",
    "flight_id",
    20,
    "dep_delay = coalesce(dep_delay, 0) + 1",
    "count(*), sum(flight_id), sum(dep_delay)",
    data.TABLES["flights"],
)
ORDERS_TABLE = Table(
    "orders", "id", 10, "customer = customer + 1, status = 'touched'", "count(*), sum(id), sum(customer)", ORDERS
)
TABLES = {table.name: table for table in (FLIGHTS, ORDERS_TABLE)}


def make(connection: Connection, table: Table, rows: int, warm_rows: int) -> None:
    """With so many rows, numbered from 1, and table `warm` with a part of them."""
    if table is FLIGHTS:
        _make_flights(connection, rows)
    else:
        connection.execute(f"CREATE TABLE orders ({ORDERS})")
        connection.execute(MAKE_ORDERS.format(rows=rows))
    connection.execute(f"CREATE TABLE warm (LIKE {table.name} INCLUDING ALL)")
    connection.execute(f"INSERT INTO warm SELECT * FROM {table.name} WHERE {table.key} <= {warm_rows}")
    connection.execute("VACUUM ANALYZE")
    connection.execute("CHECKPOINT")


def _make_flights(connection: Connection, rows: int) -> None:
    data.load(connection)
    connection.execute("DROP TABLE airlines, airports, planes, weather")
    (there,) = connection.execute("SELECT count(*) FROM flights").fetchone() or (0,)
    connection.execute(f"DELETE FROM flights WHERE flight_id > {rows}")
    others = ", ".join(name for name in _columns(connection, "flights") if name != "flight_id")
    for first in range(there, rows, there):
        connection.execute(
            f"INSERT INTO flights (flight_id, {others}) SELECT flight_id + {first}, {others} FROM flights "
            f"WHERE flight_id <= {min(there, rows - first)}"
        )


def _columns(connection: Connection, table: str) -> list[str]:
    return [column.name for column in connection.execute(f"SELECT * FROM {table} LIMIT 0").description or ()]


@dataclass
class Changes:
    """What was written: each is one event, a delete a tombstone more."""

    events: int = 0
    deletes: int = 0
    transactions: int = 0


def change(connection: Connection, table: Table, rows: int, wanted: int) -> Changes:
    """At least `wanted` changes of a table that was made with `rows`; the last of them inserts row `LAST_ID`."""
    done = Changes()
    statement = _Statements(connection, table, rows)
    connection.execute("SET synchronous_commit = off")
    for number, size in enumerate(_sizes(rows)):
        if done.events >= wanted - 1:
            break
        statement.of[OPERATIONS[number % len(OPERATIONS)]](min(size, wanted - 1 - done.events), done)
    statement.insert_last(done)
    connection.execute("SET synchronous_commit = on")
    connection.execute("CHECKPOINT")
    return done


def _sizes(rows: int) -> Iterator[int]:
    """Of the transactions: large and small ones mixed, none larger than a tenth of the table."""
    while True:
        for count, size in TRANSACTIONS:
            for _ in range(count):
                yield max(1, min(size, rows // 10))


class _Statements:
    """One transaction each. Updates go round in the first half of the table, deletes take rows of the second half."""

    def __init__(self, connection: Connection, table: Table, rows: int) -> None:
        self._connection = connection
        self._table = table
        self._half = max(1, rows // 2)
        self._updated = 0
        self._deleted = self._half
        self._inserted = rows
        self._rows = rows
        self._others = ", ".join(name for name in _columns(connection, table.name) if name != table.key)
        self.of: dict[str, Callable[[int, Changes], None]] = {"u": self._update, "i": self._insert, "d": self._delete}

    def _run(self, statement: str, done: Changes) -> int:
        changed = self._connection.execute(statement).rowcount
        done.events += changed
        done.transactions += 1
        return changed

    def _update(self, size: int, done: Changes) -> None:
        if self._updated + size > self._half:
            self._updated = 0
        first, self._updated = self._updated, self._updated + size
        name, key = self._table.name, self._table.key
        self._run(f"UPDATE {name} SET {self._table.touch} WHERE {key} > {first} AND {key} <= {first + size}", done)

    def _insert(self, size: int, done: Changes) -> None:
        size = min(size, self._half)
        first, self._inserted = self._inserted, self._inserted + size
        name, key = self._table.name, self._table.key
        self._run(
            f"INSERT INTO {name} ({key}, {self._others}) SELECT {key} + {first}, {self._others} FROM {name} "
            f"WHERE {key} <= {size}",
            done,
        )

    def _delete(self, size: int, done: Changes) -> None:
        if self._deleted + size > self._rows:
            self._update(size, done)
            return
        first, self._deleted = self._deleted, self._deleted + size
        name, key = self._table.name, self._table.key
        done.deletes += self._run(f"DELETE FROM {name} WHERE {key} > {first} AND {key} <= {first + size}", done)

    def insert_last(self, done: Changes) -> None:
        name, key = self._table.name, self._table.key
        copied = f"SELECT {LAST_ID}, {self._others} FROM {name} LIMIT 1"
        self._run(f"INSERT INTO {name} ({key}, {self._others}) {copied}", done)
