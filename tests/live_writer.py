"""A busy application: small random transactions over all tables, whatever its database does, until it is stopped."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

import psycopg
from psycopg import sql

SCHEMA = """
CREATE TABLE account (id int PRIMARY KEY, owner text NOT NULL, balance numeric(12, 2) NOT NULL, seen timestamptz);
CREATE TABLE entry (account int, number int, amount numeric(30, 10), note text, tags text[],
    PRIMARY KEY (account, number));
CREATE TABLE document (id int PRIMARY KEY, title text, body text, extra jsonb);
ALTER TABLE document ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE note (text text);
ALTER TABLE note REPLICA IDENTITY FULL;
INSERT INTO account SELECT n, 'owner ' || n, n, now() FROM generate_series(1, {accounts}) n;
INSERT INTO entry SELECT n % 200, n, n / 7.0, 'x' FROM generate_series(1, {entries}) n;
"""
"""`format` with how many rows there are before the first change."""

TABLES: dict[str, tuple[str, ...]] = {
    "account": ("id",),
    "entry": ("account", "number"),
    "document": ("id",),
    "note": (),
}
"""The columns of each table's key; rows of `note` have none, they are inserted and stay."""

KEYED = [table for table, key in TABLES.items() if key]
KEYS = 400


class LiveWriter(threading.Thread):
    """Each transaction touches one to twelve rows; one in eight is rolled back. Several writers may run at once."""

    def __init__(self, dsn: str, seed: int, pause_s: float = 0.02) -> None:
        """`pause_s`: between transactions, at most."""
        super().__init__(name=f"live writer {seed}", daemon=True)
        self.counts: Counter[str] = Counter()
        """Committed changes by kind; those whose commit was not answered are left out."""
        self.error: Exception | None = None
        self._dsn = f"{dsn} application_name='live writer {seed}'"
        self._seed = seed
        self._pause_s = pause_s
        self._notes = 0
        self._random = random.Random(seed)
        self._ending = threading.Event()

    def stop(self) -> Counter[str]:
        """Committed changes by kind. Raises what has gone wrong, but for a database that was away."""
        self._ending.set()
        self.join()
        if self.error:
            raise self.error
        return self.counts

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                with psycopg.connect(self._dsn, connect_timeout=5) as connection:
                    while not self._ending.is_set():
                        self._transaction(connection)
                        time.sleep(self._random.random() * self._pause_s)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                time.sleep(0.1)  # the server is being restarted, or two writers stood in each other's way
            except Exception as error:
                self.error = error
                return

    def _transaction(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        done: Counter[str] = Counter()
        try:
            with connection.cursor() as cursor:
                for _ in range(self._random.randint(1, 12)):
                    done[self._change(cursor)] += 1
        except psycopg.errors.UniqueViolation:  # moved to where another row is: nothing of it happened
            connection.rollback()
            return
        if self._random.random() < 0.125:
            connection.rollback()
        else:
            connection.commit()
            self.counts += done

    def _change(self, cursor: psycopg.Cursor[tuple[object, ...]]) -> str:
        table = self._random.choice(list(TABLES))
        if not TABLES[table]:
            self._notes += 1
            cursor.execute("INSERT INTO note VALUES (%s)", [f"note {self._seed}-{self._notes}"])
            return "note"
        kind = self._random.choice(["put", "put", "put", "touch", "touch", "delete", "move"])
        key = [self._random.randint(1, KEYS) for _ in TABLES[table]]
        where = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in TABLES[table])
        if kind == "put":
            self._put(cursor, table, key)
        elif kind == "touch":  # leaves a large document's body alone: the stream then carries no value for it
            change = {"account": "balance = balance + 1", "entry": "amount = mod(amount * 2, 1000003)"}
            change["document"] = "title = title || '.'"
            cursor.execute(sql.SQL(f"UPDATE {table} SET {change[table]} WHERE ") + where, key)
        elif kind == "delete":
            cursor.execute(sql.SQL(f"DELETE FROM {table} WHERE ") + where, key)
        else:
            last = TABLES[table][-1]
            cursor.execute(
                sql.SQL(f"UPDATE {table} SET {last} = {last} + {self._random.randint(1, 3) * 100000} WHERE ") + where,
                key,
            )
            kind = "move" if cursor.rowcount else kind
        return kind

    def _put(self, cursor: psycopg.Cursor[tuple[object, ...]], table: str, key: list[int]) -> None:
        word = "".join(self._random.choices("abcdefgh\\\n\t'\"é", k=8))
        if table == "account":
            cursor.execute(
                """INSERT INTO account VALUES (%s, %s, %s, now()) ON CONFLICT (id)
                   DO UPDATE SET owner = excluded.owner, balance = excluded.balance, seen = excluded.seen""",
                [*key, word, self._random.randint(-(10**9), 10**9) / 100],
            )
        elif table == "entry":
            cursor.execute(
                """INSERT INTO entry VALUES (%s, %s, %s, %s, %s) ON CONFLICT (account, number)
                   DO UPDATE SET amount = excluded.amount, note = excluded.note, tags = excluded.tags""",
                [*key, self._random.random() * 10 ** self._random.randint(-9, 9), word, [word, None, ""]],
            )
        else:
            body = word * self._random.choice([1, 1, 2000])
            cursor.execute(
                """INSERT INTO document VALUES (%s, %s, %s, jsonb_build_object('w', %s::text)) ON CONFLICT (id)
                   DO UPDATE SET title = excluded.title, body = excluded.body, extra = excluded.extra""",
                [*key, word, body, word],
            )
