"""Live changes while the worker runs: what a busy application does to its tables, in small transactions."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

import psycopg

BASE = 1_000_000  # flight ids that the loaded data does not use


class Writer(threading.Thread):
    """Writes until stopped: inserts, updates, changed keys, deletes, and transactions that are rolled back."""

    def __init__(self, dsn: str, seed: int, pause_s: float = 0.02) -> None:
        super().__init__(name="live changes", daemon=True)
        self.counts: Counter[str] = Counter()
        self.error: Exception | None = None
        self._dsn = dsn
        self._random = random.Random(seed)
        self._next_id = BASE * (seed + 1)
        self._pause_s = pause_s
        self._ending = threading.Event()

    def run(self) -> None:
        try:
            with psycopg.connect(self._dsn) as connection:
                while not self._ending.is_set():
                    self._transaction(connection)
                    time.sleep(self._pause_s)
        except Exception as error:
            self.error = error

    def stop(self) -> Counter[str]:
        self._ending.set()
        self.join()
        if self.error:
            raise self.error
        return self.counts

    def _transaction(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        what = self._random.choice(["insert", "insert", "update", "update", "key change", "delete", "roll back"])
        flight = self._random.randint(1, 336_776)
        with connection.cursor() as cursor:
            if what in ("insert", "roll back"):
                self._next_id += 1
                cursor.execute(
                    """INSERT INTO flights (flight_id, year, month, day, carrier, flight, origin, dest, time_hour)
                       VALUES (%s, 2013, 12, 31, 'HW', %s, 'JFK', 'LAX', now())""",
                    [self._next_id, self._random.randint(1, 9999)],
                )
                cursor.execute("UPDATE planes SET seats = seats + 1 WHERE tailnum = 'N10156'")
            elif what == "update":
                cursor.execute("UPDATE flights SET arr_delay = arr_delay + 1 WHERE flight_id = %s", [flight])
                cursor.execute(
                    "UPDATE weather SET temp = temp + 0.1 WHERE origin = 'EWR' AND month = %s AND day = %s",
                    [self._random.randint(1, 12), self._random.randint(1, 28)],
                )
            elif what == "key change":
                cursor.execute(
                    "UPDATE flights SET flight_id = flight_id + %s WHERE flight_id = %s", [BASE * 1000, flight]
                )
            else:
                cursor.execute("DELETE FROM flights WHERE flight_id = %s", [flight])
        if what == "roll back":
            connection.rollback()
        else:
            connection.commit()
        self.counts[what] += 1


def add_a_column(dsn: str) -> None:
    """The application's schema changes under the running worker."""
    with psycopg.connect(dsn) as connection:
        connection.execute("ALTER TABLE flights ADD COLUMN gate text")
        connection.execute("UPDATE flights SET gate = 'B' || (flight_id % 40) WHERE flight_id % 500 = 0")
