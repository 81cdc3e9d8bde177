"""Tables that change, come and go while the source runs."""

from __future__ import annotations

import pytest

from headwater.connectors.postgres.source import task
from tests.conftest import Database

from .conftest import MakeDriver

pytestmark = pytest.mark.system


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "LOOK_S", 0.1)


def test_columns_come_go_and_change(any_database: Database, make_driver: MakeDriver) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, a text, b int)")
        driver = make_driver(any_database).open().until_caught_up()
        db.execute("INSERT INTO t VALUES (1, 'x', 1)")
        db.execute("ALTER TABLE t ADD COLUMN c text DEFAULT 'd'")
        db.execute("INSERT INTO t VALUES (2, 'x', 2)")
        db.execute("ALTER TABLE t DROP COLUMN a")
        db.execute("UPDATE t SET b = 3 WHERE id = 1")
        db.execute("ALTER TABLE t RENAME COLUMN b TO bb")
        db.execute("ALTER TABLE t ALTER bb TYPE text")
        db.execute("INSERT INTO t VALUES (4, 'four')")
    driver.until_records(4)
    assert driver.afters("t.public.t") == [
        {"id": 1, "a": "x", "b": 1},
        {"id": 2, "a": "x", "b": 2, "c": "d"},
        {"id": 1, "b": 3, "c": "d"},
        {"id": 4, "bb": "four", "c": "d"},
    ]
    assert [r.key_schema == driver.records[0].key_schema for r in driver.records] == [True] * 4


def test_a_new_enum_label(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        db.execute("CREATE TYPE mood AS ENUM ('sad')")
        db.execute("CREATE TABLE t (id int PRIMARY KEY, m mood)")
        driver = make_driver(database).open().until_caught_up()
        db.execute("INSERT INTO t VALUES (1, 'sad')")
        driver.until_records(1)
        db.execute("ALTER TYPE mood ADD VALUE 'glad'")
        db.execute("ALTER TABLE t ADD COLUMN x int")
        db.execute("INSERT INTO t VALUES (2, 'glad')")
        driver.until_records(2)
    assert [row and row["m"] for row in driver.afters("t.public.t")] == ["sad", "glad"]
    schema = driver.records[-1].value_schema
    assert schema is not None
    after = schema.get("after")
    mood = after.get("m") if after else None
    assert mood is not None and mood.parameters["allowed"] == "sad,glad"


def test_a_table_made_later_is_published_and_read(any_database: Database, make_driver: MakeDriver) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TABLE a (id int PRIMARY KEY)")
        driver = make_driver(any_database, **{"table.include.list": r"public\.[ab]"}).open().until_caught_up()
        db.execute("CREATE TABLE b (id int PRIMARY KEY, v int)")
        db.execute("CREATE TABLE c (id int PRIMARY KEY)")
        db.execute("INSERT INTO b VALUES (1, 0), (2, 0)")
        db.execute("INSERT INTO a VALUES (1)")
        driver.until(lambda: "t.public.b" in driver.complete)
        db.execute("UPDATE b SET v = 1 WHERE id = 1")
        db.execute("DELETE FROM b WHERE id = 2")
        driver.until(lambda: len(driver.latest("t.public.b")) == 1)
    assert driver.latest("t.public.b") == {(1,): {"id": 1, "v": 1}}
    assert driver.latest("t.public.a") == {(1,): {"id": 1}}
    assert driver.restarted == ["t.public.a", "t.public.b"]
    assert driver.versions_never_fall("t.public.b")


def test_a_table_made_while_the_source_was_away(database: Database, make_driver: MakeDriver) -> None:
    """With FOR ALL TABLES its changes are in the stream, too: whatever comes first, the topic ends up right."""
    with database.connect() as db:
        db.execute("CREATE TABLE a (id int PRIMARY KEY)")
        driver = make_driver(database, **{"publication.autocreate.mode": "all_tables"}).open().until_caught_up()
        driver.close()
        db.execute("CREATE TABLE b (id int PRIMARY KEY, v int)")
        db.execute("INSERT INTO b SELECT n, 0 FROM generate_series(1, 5) n")
        db.execute("DELETE FROM b WHERE id = 2")
        driver.open().until(lambda: "t.public.b" in driver.complete)
        # and one whose changes the running stream meets before it knows the table
        driver.crash()
        db.execute("UPDATE b SET v = 1")
        driver.open()
        db.execute("CREATE TABLE c (id int PRIMARY KEY, v int)")
        db.execute("INSERT INTO c SELECT n, 0 FROM generate_series(1, 5) n")
        db.execute("UPDATE c SET v = 1")
        db.execute("DELETE FROM c WHERE id = 2")
        driver.until(lambda: "t.public.c" in driver.complete)
        driver.until(lambda: len(driver.latest("t.public.c")) == 4)
        driver.until(lambda: driver.latest("t.public.b")[1,]["v"] == 1)  # c may be read before the stream goes on
    for table in ("b", "c"):
        assert driver.latest(f"t.public.{table}") == {(n,): {"id": n, "v": 1} for n in (1, 3, 4, 5)}
        assert driver.versions_never_fall(f"t.public.{table}")


def test_a_table_dropped_in_the_middle_of_a_snapshot(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        for table in ("a", "b"):
            db.execute(f"CREATE TABLE {table} (id int PRIMARY KEY)")
            db.execute(f"INSERT INTO {table} SELECT n FROM generate_series(1, 100) n")
        driver = make_driver(database, **{"max.batch.size": "10"}).open().until_records(20)
        driver.close()
        db.execute("DROP TABLE a")
        driver.open().until_caught_up()
    assert list(driver.complete) == ["t.public.b"]
    assert len(driver.latest("t.public.b")) == 100


def test_generated_columns_are_the_same_in_snapshot_and_stream(any_database: Database, make_driver: MakeDriver) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)")
        db.execute("INSERT INTO t VALUES (1)")
        driver = make_driver(any_database).open().until_caught_up()
        db.execute("INSERT INTO t VALUES (2)")
        driver.until_records(2)
    published = any_database.server.major >= 18
    assert driver.afters("t.public.t") == [{"id": n} | ({"twice": 2 * n} if published else {}) for n in (1, 2)]
    assert driver.records[0].value_schema == driver.records[1].value_schema


def test_column_lists_and_row_filters_of_a_publication(any_database: Database, make_driver: MakeDriver) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, v int, secret text)")
        db.execute("CREATE TABLE other (id int PRIMARY KEY)")
        db.execute("INSERT INTO t VALUES (1, 1, 's'), (200, 1, 's')")
        db.execute("CREATE PUBLICATION mine FOR TABLE t (id, v) WHERE (id < 100)")
        options = {"publication.name": "mine", "publication.autocreate.mode": "disabled"}
        driver = make_driver(any_database, **options).open().until_caught_up()
        db.execute("INSERT INTO t VALUES (2, 2, 's'), (300, 2, 's')")
        driver.until_records(2)
    assert driver.afters("t.public.t") == [{"id": 1, "v": 1}, {"id": 2, "v": 2}]
    assert list(driver.complete) == ["t.public.t"]


def test_a_table_that_was_left_out_for_a_while(database: Database, make_driver: MakeDriver) -> None:
    """It is read again, but its topic is not called complete: it may keep rows that were deleted meanwhile."""
    with database.connect() as db:
        for table in ("a", "b"):
            db.execute(f"CREATE TABLE {table} (id int PRIMARY KEY)")
            db.execute(f"INSERT INTO {table} VALUES (1), (2)")
        driver = make_driver(database).open().until_caught_up()
        assert set(driver.complete) == {"t.public.a", "t.public.b"}
        driver.close()
        driver.open(**{"table.include.list": r"public\.a"}).until_caught_up()
        db.execute("DELETE FROM b WHERE id = 1")
        db.execute("INSERT INTO b VALUES (3)")
        driver.until_caught_up().close()
        driver.open().until(lambda: (3,) in driver.latest("t.public.b"))
        db.execute("DELETE FROM b WHERE id = 2")
        driver.until(lambda: driver.latest("t.public.b").keys() == {(1,), (3,)})
    assert set(driver.complete) == {"t.public.a"} and driver.restarted[-1] == "t.public.b"


def test_a_table_that_is_made_anew(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        db.execute("CREATE TABLE a (id int PRIMARY KEY)")
        db.execute("CREATE TABLE b (id int PRIMARY KEY)")
        driver = make_driver(database).open().until_caught_up()
        db.execute("DROP TABLE b")
        db.execute("CREATE TABLE b (id int PRIMARY KEY, v int)")
        db.execute("INSERT INTO b VALUES (5, 1)")
        driver.until(lambda: driver.latest("t.public.b") == {(5,): {"id": 5, "v": 1}})
        db.execute("UPDATE b SET v = 2")
        driver.until(lambda: driver.latest("t.public.b") == {(5,): {"id": 5, "v": 2}})


def test_a_new_table_does_not_hold_up_the_others(
    database: Database, make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While an old transaction keeps a new point from being made, the stream goes on."""
    monkeypatch.setattr(task, "POINT_S", 0.3)
    with database.connect() as db, database.connect() as old:
        db.execute("CREATE TABLE a (id int PRIMARY KEY)")
        driver = make_driver(database).open().until_caught_up()
        old.execute("BEGIN")
        old.execute("CREATE TABLE unrelated (id int PRIMARY KEY)")
        db.execute("CREATE TABLE b (id int PRIMARY KEY)")
        db.execute("INSERT INTO b VALUES (1)")
        for number in range(30):
            db.execute("INSERT INTO a VALUES (%s)", [number])
            driver.step(0.05)
        driver.until(lambda: len(driver.latest("t.public.a")) == 30)
        assert "t.public.b" not in driver.complete
        driver.crash()
        driver.open()
        db.execute("INSERT INTO a VALUES (100)")
        driver.until(lambda: (100,) in driver.latest("t.public.a"))
        assert not any(progress.caught_up for progress in driver.progress)
        old.execute("ROLLBACK")
        driver.until(lambda: "t.public.b" in driver.complete).until_caught_up()
    assert driver.latest("t.public.b") == {(1,): {"id": 1}}
