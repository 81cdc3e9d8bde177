"""What is asked beside the stream: check, preview, the exact rows for `verify --source`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from headwater.connectors.postgres.source import PostgresSourceConnector
from headwater.worker.api import Fatal, Finding, Record
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


def test_columns_that_no_mask_can_hide(any_database: Database) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TYPE mood AS ENUM ('good')")
        db.execute(
            "CREATE TABLE people (email text PRIMARY KEY, name text, age int, tags text[], notes jsonb, mood mood, "
            "photo bytea, code varchar(3), gone int)"
        )
        db.execute("CREATE TABLE other (id int PRIMARY KEY, age int)")
    masks = {
        "column.mask.with.3.chars": "public.people.(name|age|notes|gone)",
        "column.mask.hash.v2.SHA-256.with.salt.s": "public.people.(email|tags|mood)",
        "column.truncate.to.3.chars": "public.people.(photo|code)",
        "column.exclude.list": "public.people.gone",
    }
    found = wrong(CONNECTOR.check(parse(any_database, **masks)))
    assert set(found) == {f"public.people.{name}" for name in ("age", "notes", "tags", "email")}
    assert "message.key.columns" in found["public.people.email"] and "exclude" in found["public.people.age"]
    found = wrong(CONNECTOR.check(parse(any_database, **masks, **{"message.key.columns": "public.people:age"})))
    assert list(found) == ["masked columns"], "the server does not send that key; the other findings are still there"


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
            assert found["replication privilege"].startswith('ALTER ROLE "bob" REPLICATION;\n-- ')
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
    assert list(unreachable) == ["connection"] and "database.port" in unreachable["connection"]


def test_why_there_is_no_connection(any_database: Database) -> None:
    def fix(**options: str) -> str:
        [finding] = CONNECTOR.check(parse(any_database, **options))
        assert finding.subject == "connection" and "headwater check" not in finding.message + finding.fix
        return finding.fix

    assert fix(database__dbname="no such") == "check database.dbname"
    assert fix(database__hostname="nowhere.invalid") == "check database.hostname"
    assert "database.port" in fix(database__port="1")
    assert "pg_hba.conf" in fix(database__user="nobody at all")
    name = any_database.name
    with any_database.connect() as db:
        db.execute(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
        db.execute(f"CREATE ROLE away_{name} LOGIN")
        grant = fix(database__user=f"away_{name}")
        assert grant == f'GRANT CONNECT ON DATABASE "{name}" TO "away_{name}";'
        db.execute(grant)
        assert len(CONNECTOR.check(parse(any_database, database__user=f"away_{name}"))) > 1
        db.execute(f"REVOKE CONNECT ON DATABASE {name} FROM away_{name}")
        db.execute(f"DROP ROLE away_{name}")


def test_two_ways_to_a_publication(any_database: Database) -> None:
    name = any_database.name
    owner, user = f"owner_{name}", f"reader_{name}"
    with any_database.connect() as db:
        db.execute(f"CREATE ROLE {owner}")
        db.execute(f"CREATE ROLE {user} LOGIN REPLICATION")
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        db.execute(f"ALTER TABLE t OWNER TO {owner}")
        fix = wrong(CONNECTOR.check(parse(any_database, database__user=user)))["publication"]
        assert f"-- in database {name}," in fix and "autocreate.mode: disabled" in fix
        grants, _, by_hand = fix.partition("-- or make it yourself:")
        db.execute("BEGIN")
        db.execute(by_hand.encode())
        db.execute("ROLLBACK")
        db.execute(grants.encode())
        assert not wrong(CONNECTOR.check(parse(any_database, database__user=user)))
        for role in (user, owner):
            db.execute(f"DROP OWNED BY {role} CASCADE")
            db.execute(f"DROP ROLE {role}")


def test_nothing_is_made_by_a_start_that_cannot_succeed(any_database: Database, make_driver: MakeDriver) -> None:
    user = f"plain_{any_database.name}"
    with any_database.connect() as db:
        db.execute(f"CREATE ROLE {user} LOGIN")
        db.execute(f"GRANT CREATE ON DATABASE {any_database.name} TO {user}")
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        db.execute(f"ALTER TABLE t OWNER TO {user}")
        with pytest.raises(Fatal, match=f'ALTER ROLE "{user}" REPLICATION;'):
            make_driver(any_database, database__user=user).open()
        with pytest.raises(Fatal, match=r"no table of database .* no slot and no publication was made"):
            make_driver(any_database, table__include__list="public.tt").open()
        slots = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"
        for made in ("SELECT count(*) FROM pg_publication", slots):
            assert db.execute(made).fetchone() == (0,)
        db.execute(f"DROP OWNED BY {user} CASCADE")
        db.execute(f"DROP ROLE {user}")


def test_tables_may_go_later(any_database: Database, make_driver: MakeDriver) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        driver = make_driver(any_database).open().until_caught_up()
        driver.close()
        db.execute("DROP TABLE t")
        driver.open().until_caught_up()


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
