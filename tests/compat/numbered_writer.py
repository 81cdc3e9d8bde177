"""An application whose every change bears a number of its own, so that a reader can count each of them."""

from __future__ import annotations

import random
import threading
from typing import NamedTuple

import psycopg

TABLES = ("plain", "wide", "child")
SCHEMA = "".join(
    f"CREATE TABLE {table} (id int PRIMARY KEY, seq bigint NOT NULL, note text, at timestamptz DEFAULT now());"
    f"ALTER TABLE {table} REPLICA IDENTITY FULL;"  # a delete then tells the number of what it deletes
    for table in TABLES
)


class Change(NamedTuple):
    """`op`: c, u, d. `seq` of the row that was written, or that was deleted."""

    table: str
    op: str
    key: int
    seq: int


class NumberedWriter(threading.Thread):
    """Transactions of one row or many, over all tables: inserts, COPY, updates, deletes, changed keys. One in ten is
    rolled back. `number` keeps several writers' keys and numbers apart."""

    def __init__(self, dsn: str, number: int) -> None:
        super().__init__(name=f"numbered writer {number}", daemon=True)
        self.committed: list[Change] = []
        self.error: Exception | None = None
        self._dsn = dsn
        self._next = number * 1_000_000_000
        self._first_key = self._next_key = number * 100_000_000
        self._random = random.Random(number)
        self._rows: dict[str, dict[int, int]] = {table: {} for table in TABLES}
        self._ending = threading.Event()

    def stop(self) -> list[Change]:
        """What was committed, in order."""
        self._ending.set()
        self.join()
        if self.error:
            raise self.error
        return self.committed

    def run(self) -> None:
        try:
            with psycopg.connect(self._dsn, autocommit=True) as connection:
                while not self._ending.wait(self._random.uniform(0.02, 0.15)):
                    self._transaction(connection)
        except Exception as error:
            self.error = error

    def _transaction(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        changes: list[Change] = []
        rows = {table: dict(held) for table, held in self._rows.items()}
        keep = self._random.random() < 0.9
        steps = self._random.choice((1, 1, 1, 2, 5, 30))
        with connection.transaction(force_rollback=not keep):
            for _ in range(steps):
                changes += self._step(connection, self._random.choice(TABLES), rows)
        if keep:
            self.committed += changes
            self._rows = rows

    def _step(
        self, connection: psycopg.Connection[tuple[object, ...]], table: str, rows: dict[str, dict[int, int]]
    ) -> list[Change]:
        held, kind = rows[table], self._random.random()
        if not held or kind < 0.4:
            key, seq = self._new_key(), self._number()
            held[key] = seq
            connection.execute(f"INSERT INTO {table} VALUES (%s, %s, %s)", [key, seq, "x" * (seq % 50)])
            return [Change(table, "c", key, seq)]
        if kind < 0.45:
            return self._copy(connection, table, held)
        key = self._random.choice(list(held))
        before, seq = held[key], self._number()
        if kind < 0.75:
            held[key] = seq
            connection.execute(f"UPDATE {table} SET seq = %s WHERE id = %s", [seq, key])
            return [Change(table, "u", key, seq)]
        del held[key]
        if kind < 0.9:
            connection.execute(f"DELETE FROM {table} WHERE id = %s", [key])
            return [Change(table, "d", key, before)]
        other = self._new_key()
        held[other] = seq
        connection.execute(f"UPDATE {table} SET id = %s, seq = %s WHERE id = %s", [other, seq, key])
        return [Change(table, "d", key, before), Change(table, "c", other, seq)]

    def _copy(
        self, connection: psycopg.Connection[tuple[object, ...]], table: str, held: dict[int, int]
    ) -> list[Change]:
        """Many rows of one WAL record."""
        changes = []
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} (id, seq) FROM STDIN") as copy:
            for _ in range(self._random.randint(2, 100)):
                key, seq = self._new_key(), self._number()
                held[key] = seq
                copy.write_row((key, seq))
                changes.append(Change(table, "c", key, seq))
        return changes

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _new_key(self) -> int:
        self._next_key += 1
        return self._next_key
