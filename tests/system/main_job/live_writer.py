"""A busy application: small transactions over all tables, through restarts of its database, until it is stopped."""

from __future__ import annotations

import random
import threading
import time

import psycopg

SCHEMA = """
CREATE TABLE account (id int PRIMARY KEY, owner text NOT NULL, balance numeric(12, 2) NOT NULL, seen timestamptz);
CREATE TABLE entry (account int, number int, amount numeric, note text, tags text[], PRIMARY KEY (account, number));
CREATE TABLE document (id int PRIMARY KEY, title text, body text, extra jsonb);
ALTER TABLE document ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE note (text text);
ALTER TABLE note REPLICA IDENTITY FULL;
INSERT INTO account SELECT n, 'owner ' || n, n, now() FROM generate_series(1, 2000) n;
INSERT INTO entry SELECT n % 50, n, n / 7.0, 'x' FROM generate_series(1, 1000) n;
"""
CHANGES = """
INSERT INTO account VALUES (%(new)s, 'owner', 1, now());
UPDATE account SET balance = balance + 1, seen = now() WHERE id = %(old)s;
UPDATE account SET id = %(new)s WHERE id = %(old)s;
DELETE FROM account WHERE id = %(old)s;
INSERT INTO entry VALUES (%(old)s, %(new)s, %(old)s / 3.0, 'live', '{{a, NULL, "b c"}}');
UPDATE entry SET amount = -amount, note = NULL WHERE number = %(old)s;
UPDATE entry SET account = account + 1 WHERE number = %(old)s;
INSERT INTO document VALUES (%(new)s, 'title', repeat('body', 5000), '{{"new": true}}');
UPDATE document SET title = title || '.' WHERE id = (SELECT max(id) FROM document);
INSERT INTO note VALUES ('note ' || %(new)s);
""".strip().split("\n")


class LiveWriter(threading.Thread):
    """One transaction in eight is rolled back. `committed` counts the others."""

    def __init__(self, dsn: str, seed: int) -> None:
        super().__init__(name="live writer", daemon=True)
        self.committed = 0
        self._error: Exception | None = None
        self._dsn = dsn
        self._random = random.Random(seed)
        self._new = seed * 1_000_000
        self._ending = threading.Event()

    def stop(self) -> int:
        """Transactions committed. Raises what has gone wrong, but for a database that was away."""
        self._ending.set()
        self.join()
        if self._error:
            raise self._error
        return self.committed

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                with psycopg.connect(self._dsn, connect_timeout=5) as connection:
                    while not self._ending.is_set():
                        self._transaction(connection)
                        time.sleep(0.02)
            except psycopg.OperationalError:
                time.sleep(0.1)  # the server is being restarted
            except Exception as error:
                self._error = error
                return

    def _transaction(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        for change in self._random.choices(CHANGES, k=self._random.randint(1, 5)):
            self._new += 1
            connection.execute(change.format(), {"old": self._random.randint(1, 2000), "new": self._new})
        if self._random.random() < 0.125:
            connection.rollback()
        else:
            connection.commit()
            self.committed += 1
