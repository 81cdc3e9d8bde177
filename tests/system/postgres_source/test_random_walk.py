"""Random changes while the source is killed, batches are lost and snapshots begin: the topics end up as the tables."""

from __future__ import annotations

import contextlib
import random

import psycopg
import pytest

from headwater.connectors.postgres.source import task
from headwater.worker.api import Retriable
from tests.conftest import Database

from .conftest import MakeDriver
from .driver import Driver

pytestmark = pytest.mark.system
TABLES = ("plain", "wide", "Composite")


class Writer:
    """Makes random transactions over three tables; some are rolled back."""

    def __init__(self, db: psycopg.Connection[tuple[object, ...]], rng: random.Random) -> None:
        self._db, self._rng = db, rng
        db.execute("CREATE TABLE plain (id int PRIMARY KEY, v int)")
        db.execute("CREATE TABLE wide (id int PRIMARY KEY, v int, big text)")
        db.execute("ALTER TABLE wide ALTER big SET STORAGE EXTERNAL")
        db.execute('CREATE TABLE "Composite" (b text, a int, v int, PRIMARY KEY (a, b))')
        db.execute("INSERT INTO plain SELECT n, 0 FROM generate_series(1, 400) n")
        db.execute("INSERT INTO wide SELECT n, 0, repeat(md5(n::text), 100) FROM generate_series(1, 100) n")
        db.execute("INSERT INTO \"Composite\" SELECT 'b' || n % 10, n, 0 FROM generate_series(1, 300) n")

    def write(self) -> None:
        # a key that was taken already: the transaction is undone, as in life
        with contextlib.suppress(psycopg.errors.UniqueViolation), self._db.transaction():
            for _ in range(self._rng.randint(1, 6)):
                self._change()
            if self._rng.random() < 0.15:
                raise psycopg.Rollback

    def _change(self) -> None:
        rng = self._rng
        one, other, v = rng.randint(1, 450), rng.randint(1, 450), rng.randint(1, 10**6)
        what = rng.choice(["insert", "update", "update", "key", "delete", "many", "big"])
        if what == "insert":
            self._db.execute("INSERT INTO plain VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET v = 0", [one, v])
            self._db.execute('INSERT INTO "Composite" VALUES (%s, %s, %s) ON CONFLICT DO NOTHING', ["b1", one, v])
        elif what == "update":
            self._db.execute("UPDATE plain SET v = %s WHERE id = %s", [v, one])
            self._db.execute("UPDATE wide SET v = %s WHERE id = %s", [v, one % 100])
        elif what == "key":
            self._db.execute("UPDATE plain SET id = %s WHERE id = %s", [other, one])
            self._db.execute("UPDATE wide SET id = %s WHERE id = %s", [other, one % 100])
        elif what == "delete":
            self._db.execute("DELETE FROM plain WHERE id = %s", [one])
            self._db.execute('DELETE FROM "Composite" WHERE a = %s', [other])
        elif what == "many":
            self._db.execute('UPDATE "Composite" SET v = %s WHERE a BETWEEN %s AND %s + 30', [v, one, one])
        else:
            text = "INSERT INTO wide VALUES (%s, %s, repeat(md5(%s::text), 90)) ON CONFLICT (id) DO UPDATE "
            text += "SET big = excluded.big"
            self._db.execute(text, [one, v, v])


@pytest.mark.parametrize("seed", [1, 2])
def test_the_topics_end_up_as_the_tables(
    seed: int, any_database: Database, make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "LOOK_S", 0.05)
    rng = random.Random(seed)
    options = {
        "snapshot.chunk.rows": str(rng.choice([7, 50])),
        "max.batch.size": str(rng.choice([5, 40])),
        "snapshot.max.threads": str(rng.choice([1, 2])),
    }
    with any_database.connect() as db:
        writer = Writer(db, rng)
        driver = make_driver(any_database, **options).open()
        for round in range(120):
            writer.write()
            disturb(driver, rng)
            if round == 60:
                db.execute("CREATE TABLE later (id int PRIMARY KEY, v int)")
            if round >= 60:
                db.execute("INSERT INTO later VALUES (%s, %s)", [round, round])
                db.execute("DELETE FROM later WHERE id = %s", [round - rng.randint(1, 5)])
        driver.close()
        driver.open().until(lambda: len(driver.complete) == 4)
        end = db.execute("SELECT (pg_current_wal_lsn() - '0/0')::bigint").fetchone()
        assert end is not None and isinstance(end[0], int)
        target = end[0]
        driver.until(lambda: driver.stream_position()["commit_lsn"] >= target)
        for table in (*TABLES, "later"):
            compare(driver, db, table)


def disturb(driver: Driver, rng: random.Random) -> None:
    """Read a little; now and then the process dies, or the log's transaction that holds a batch is lost."""
    for _ in range(rng.randint(0, 3)):
        driver.step(0.01)
    if rng.random() < 0.2:
        if rng.random() < 0.5:
            stored = (dict(driver.positions), list(driver.records), dict(driver.complete), list(driver.restarted))
            driver.step(0.01, ack=False)
            driver.positions, driver.records, driver.complete, driver.restarted = stored
        if rng.random() < 0.5:
            driver.crash()
        else:
            driver.close()
        try:
            driver.open()
        except Retriable:
            driver.close()
            driver.open()


def compare(driver: Driver, db: psycopg.Connection[tuple[object, ...]], table: str) -> None:
    cursor = db.execute(f'SELECT * FROM "{table}"')
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    rows = sorted((dict(zip(names, row, strict=True)) for row in cursor.fetchall()), key=str)
    topic = f"t.public.{table}"
    assert sorted(driver.latest(topic).values(), key=str) == rows
    assert sorted(driver.latest(topic, by_version=True).values(), key=str) == rows
    assert driver.versions_never_fall(topic)
