"""The initial snapshot: exact, in order, in chunks, resumed after a crash."""

from __future__ import annotations

import pytest

from headwater.worker.api import Fatal
from tests.conftest import Database

from .conftest import MakeDriver

pytestmark = pytest.mark.system


def test_rows_and_flags_of_several_tables(any_database: Database, make_driver: MakeDriver) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TABLE a (id int PRIMARY KEY, name text)")
        db.execute("CREATE TABLE b (id int PRIMARY KEY)")
        db.execute("CREATE TABLE empty (id int PRIMARY KEY)")
        db.execute("INSERT INTO a SELECT n, 'n' || n FROM generate_series(1, 3) n")
        db.execute("INSERT INTO b SELECT n FROM generate_series(1, 3) n")
    driver = make_driver(any_database).open().until_caught_up()
    assert [(r.topic, r.key["id"], r.value["source"]["snapshot"]) for r in driver.records] == [
        ("t.public.a", 1, "first"),
        ("t.public.a", 2, "true"),
        ("t.public.a", 3, "last_in_data_collection"),
        ("t.public.b", 1, "first_in_data_collection"),
        ("t.public.b", 2, "true"),
        ("t.public.b", 3, "last"),
    ]
    assert set(driver.ops()) == {"r"}
    point = driver.records[0].version
    assert driver.complete == {"t.public.a": point, "t.public.b": point, "t.public.empty": point}
    assert set(driver.restarted) == set(driver.complete)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_chunks_give_every_row_once_in_order(threads: str, any_database: Database, make_driver: MakeDriver) -> None:
    with any_database.connect() as db:
        db.execute('CREATE TABLE "Odd Name" ("Key A" text COLLATE "C", b numeric, v text, PRIMARY KEY (b, "Key A"))')
        db.execute(
            "INSERT INTO \"Odd Name\" SELECT 'it''s ' || n, n % 7 + 0.50, repeat(n::text, 3) "
            "FROM generate_series(1, 1000) n"
        )
    small = {"snapshot.chunk.rows": "37", "max.batch.size": "20", "snapshot.max.threads": threads}
    driver = make_driver(any_database, **small).open().until_caught_up()
    with any_database.connect() as db:
        expected = db.execute('SELECT "Key A", v FROM "Odd Name" ORDER BY b, "Key A"').fetchall()
    assert [(r.value["after"]["Key A"], r.value["after"]["v"]) for r in driver.records] == expected
    assert max(len(batch.records) for batch in driver.batches) <= 20


def test_resumes_after_its_last_row(any_database: Database, make_driver: MakeDriver) -> None:
    """Later chunks are read at a new point; what happened in between comes by the stream; nothing is wrong after it."""
    with any_database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, v int, big text)")
        db.execute("CREATE TABLE u (id int PRIMARY KEY, v int)")
        db.execute("INSERT INTO t SELECT n, 0, NULL FROM generate_series(1, 300) n")
        db.execute("INSERT INTO u SELECT n, 0 FROM generate_series(1, 50) n")
    options = {"snapshot.chunk.rows": "50", "max.batch.size": "30", "snapshot.max.threads": "2"}
    driver = make_driver(any_database, **options).open()
    driver.until_records(120)
    read_before = len(driver.records)
    first_point = driver.records[0].version
    driver.crash()
    with any_database.connect() as db:
        db.execute("UPDATE t SET v = 1 WHERE id % 3 = 0")
        db.execute("DELETE FROM t WHERE id % 10 = 1")
        db.execute("UPDATE t SET id = id + 1000 WHERE id % 10 = 2")
        db.execute("INSERT INTO t SELECT n, 7 FROM generate_series(301, 320) n")
        db.execute("UPDATE t SET v = 2 WHERE id % 5 = 0")
        db.execute("UPDATE u SET v = 9")
    driver.open()
    driver.until(lambda: "t.public.t" in driver.complete and "t.public.u" in driver.complete)
    reads = [r for r in driver.records if r.topic == "t.public.t" and r.value and r.value["op"] == "r"]
    assert len({r.key["id"] for r in reads}) == len(reads), "a row was read twice"
    assert reads[read_before].key["id"] > reads[read_before - 1].key["id"]
    assert {r.version == first_point for r in reads} == {True, False}
    assert driver.complete["t.public.t"] == max(r.version or 0 for r in reads)
    # u was read at the new point alone: nothing of it comes again
    assert {r.value["op"] for r in driver.records if r.topic == "t.public.u" and r.value} == {"r"}
    with any_database.connect() as db:
        for table in ("t", "u"):
            expected = dict(db.execute(f"SELECT id, v FROM {table}").fetchall())
            for by_version in (False, True):
                found = driver.latest(f"t.public.{table}", by_version)
                assert {key[0]: row["v"] for key, row in found.items()} == expected
            assert driver.versions_never_fall(f"t.public.{table}")


def test_a_table_without_a_key_begins_again(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        db.execute("CREATE TABLE k (id int)")
        db.execute("ALTER TABLE k REPLICA IDENTITY FULL")
        db.execute("INSERT INTO k SELECT n FROM generate_series(1, 600) n")
    driver = make_driver(database, **{"max.batch.size": "10"}).open().until_records(40)
    driver.crash()
    with database.connect() as db:
        db.execute("INSERT INTO k VALUES (1000)")
    driver.restarted.clear()
    driver.records.clear()
    driver.open().until_caught_up()
    assert driver.restarted == ["t.public.k"]
    assert sorted(r.value["after"]["id"] for r in driver.records) == [*range(1, 601), 1000]
    assert {r.key for r in driver.records} == {None}


def test_a_crash_before_the_first_position_uses_the_slot_again(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        db.execute("INSERT INTO t VALUES (1)")
    make_driver(database).open().crash()
    with database.connect() as db:
        db.execute("INSERT INTO t VALUES (2)")
    driver = make_driver(database).open().until_caught_up()
    with database.connect() as db:
        db.execute("INSERT INTO t VALUES (3)")
    driver.until_records(3)
    assert [(r.value["op"], r.key["id"]) for r in driver.records] == [("r", 1), ("r", 2), ("c", 3)]


def test_no_data_and_initial_only(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        db.execute("INSERT INTO t VALUES (1)")
        driver = make_driver(database, **{"snapshot.mode": "no_data"}).open().until_caught_up()
        db.execute("INSERT INTO t VALUES (2)")
        driver.until_records(1)
        assert driver.ops() == ["c"]
        driver.close()
        only = {"snapshot.mode": "initial_only", "slot.name": "never_made"}
        driver = make_driver(database, **only).open().until_caught_up()
        assert [r.key["id"] for r in driver.records] == [1, 2]
        slots = db.execute("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()")
        assert [row[0] for row in slots] == [f"s_{database.name}"]
        driver.close()
        driver.open().until_caught_up()
        assert len(driver.records) == 2


def test_overrides_columns_and_keys(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL, secret text)")
        db.execute("ALTER TABLE t REPLICA IDENTITY FULL")
        db.execute("INSERT INTO t SELECT n, 'c' || n, 's' FROM generate_series(1, 20) n")
        options = {
            "column.exclude.list": r"public\.t\.(secret|id)",
            "message.key.columns": "public.t:code",
            "snapshot.select.statement.overrides": "public.t",
            "snapshot.select.statement.overrides.public.t": "SELECT * FROM public.t WHERE id > 10",
            "snapshot.chunk.rows": "4",
        }
        driver = make_driver(database, **options).open().until_caught_up()
        assert [r.key for r in driver.records] == [{"code": f"c{n}"} for n in range(11, 21)]
        db.execute("UPDATE t SET code = 'new' WHERE id = 12")
        driver.until_records(13)
        assert driver.ops()[-3:] == ["d", "-", "c"]
        assert driver.records[-1].value["after"] == {"code": "new"}


def test_keyless_tables_are_refused_before_their_updates_fail(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        db.execute("CREATE TABLE k (id int)")
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        with pytest.raises(Fatal, match=r'public\.k: no primary key.*ALTER TABLE "public"."k" REPLICA IDENTITY FULL'):
            make_driver(database).open()
        db.execute("INSERT INTO k VALUES (1)")
        db.execute("UPDATE k SET id = 2")
        driver = make_driver(database).open(**{"table.exclude.list": r"public\.k"}).until_caught_up()
        assert list(driver.complete) == ["t.public.t"]
