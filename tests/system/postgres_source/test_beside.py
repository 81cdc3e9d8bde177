"""What is asked beside the stream: check, preview, the exact rows for `verify --source`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from headwater.connectors.postgres.source import PostgresSourceConnector
from headwater.worker.api import Finding, Record
from tests.conftest import Database
from tests.servers.postgres import running

from .conftest import MakeDriver
from .driver import parse

pytestmark = pytest.mark.system
CONNECTOR = PostgresSourceConnector()


def wrong(findings: list[Finding]) -> Mapping[str, str]:
    """What is not in order, with its fix."""
    return {finding.subject: finding.fix for finding in findings if finding.level != "ok"}


def test_a_server_in_order(any_database: Database) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    findings = CONNECTOR.check(parse(any_database))
    assert not wrong(findings)
    assert {"connection", "version", "wal_level", "slot", "wal senders", "publication"} <= {f.subject for f in findings}
    with any_database.connect() as db:
        slots = db.execute("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()").fetchone()
        assert slots == (0,), "check changed the server"


def test_everything_that_is_missing_with_the_statement_that_helps() -> None:
    with running(18, settings={"wal_level": "replica", "max_replication_slots": "0", "max_wal_senders": "1"}) as server:
        server.create_database("shop")
        database = Database(server, "shop")
        with database.connect() as db:
            db.execute("CREATE ROLE bob LOGIN")
            db.execute("CREATE TABLE t (id int PRIMARY KEY)")
            db.execute("CREATE TABLE k (id int)")
            db.execute("CREATE TABLE n (id int PRIMARY KEY)")
            db.execute("ALTER TABLE n REPLICA IDENTITY NOTHING")
            found = wrong(CONNECTOR.check(parse(database, **{"database.user": "bob"})))
            assert found["wal_level"].startswith("ALTER SYSTEM SET wal_level = 'logical'")
            assert found["replication privilege"] == 'ALTER ROLE "bob" REPLICATION'
            assert "max_replication_slots" in found["free slots"] and "max_wal_senders" in found["wal senders"]
            assert 'FOR TABLE ONLY "public"."k", ONLY "public"."n", ONLY "public"."t"' in found["publication"]
            assert "REPLICA IDENTITY FULL" in found["public.k"] and "REPLICA IDENTITY FULL" in found["public.n"]
            assert 'GRANT SELECT ON "public"."t" TO "bob"' in found["public.t"]
            # each statement does what it says
            db.execute('ALTER ROLE "bob" REPLICATION')
            db.execute('GRANT SELECT ON "public"."t" TO "bob"')
            db.execute('ALTER TABLE "public"."k" REPLICA IDENTITY FULL')
            db.execute("CREATE PUBLICATION headwater_t FOR TABLE t, k, n")
            left = wrong(CONNECTOR.check(parse(database, **{"database.user": "bob"})))
            assert set(left) == {"wal_level", "free slots", "wal senders", "public.k", "public.n"}
    unreachable = wrong(CONNECTOR.check(parse(database)))
    assert set(unreachable) == {"connection"}


def test_preview_leaves_no_trace(any_database: Database) -> None:
    with any_database.connect() as db:
        for table in ("a", "b"):
            db.execute(f"CREATE TABLE {table} (id int PRIMARY KEY)")
            db.execute(f"INSERT INTO {table} VALUES (1), (2)")
        records = list(CONNECTOR.preview(parse(any_database)))
        assert [(r.topic, r.key["id"]) for r in records] == [
            ("t.public.a", 1), ("t.public.b", 1), ("t.public.a", 2), ("t.public.b", 2),
        ]  # fmt: skip
        assert db.execute("SELECT count(*) FROM pg_publication").fetchone() == (0,)


def test_exact_rows_and_their_version(any_database: Database, make_driver: MakeDriver) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
        db.execute("CREATE TABLE other (id int PRIMARY KEY)")
        db.execute("INSERT INTO t SELECT n, 'x' FROM generate_series(1, 10) n")
        driver = make_driver(any_database).open().until_caught_up()
        db.execute("UPDATE t SET v = 'y' WHERE id = 1")
        found = CONNECTOR.source_rows(parse(any_database), ["t.public.t"], list(driver.positions.values()))
        db.execute("UPDATE t SET v = 'z' WHERE id = 2")  # after the point, before the rows are read
        rows = {r.key["id"]: r.value["after"] for r in found.records}
        driver.until(lambda: driver.afters("t.public.t")[-1] == {"id": 2, "v": "z"})
    at_the_point = _fold(driver.records, found.version)
    assert rows == at_the_point and rows[1]["v"] == "y" and rows[2]["v"] == "x"
    assert (driver.records[-1].version or 0) > found.version >= (driver.records[-2].version or 0)


def _fold(records: Sequence[Record], version: int) -> dict[int, Mapping[str, object]]:
    """The topic up to and with `version`."""
    return {r.key["id"]: r.value["after"] for r in records if (r.version or 0) <= version}
