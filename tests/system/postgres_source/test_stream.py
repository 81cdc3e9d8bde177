"""Changes: every operation, identity and key; transactions split and resumed; truncates, partitions, TOAST."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from headwater.worker.api import Fatal
from tests.conftest import Database
from tests.servers.postgres import running

from .conftest import MakeDriver
from .driver import Driver

pytestmark = pytest.mark.system
BIG = "md5(random()::text) || repeat(md5(random()::text), 200)"  # stays out of line: STORAGE EXTERNAL


def seen(driver: Driver) -> list[tuple[str, Any]]:
    return [(r.value["op"], r.value["after"] or r.value["before"]) if r.value else ("-", r.key) for r in driver.records]


def test_every_operation(any_database: Database, make_driver: MakeDriver) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, v text, n int NOT NULL)")
        driver = make_driver(any_database).open().until_caught_up()
        db.execute("INSERT INTO t VALUES (1, 'a', 5)")
        db.execute("UPDATE t SET v = 'b'")
        db.execute("UPDATE t SET id = 2, v = NULL")
        with pytest.raises(psycopg.errors.DivisionByZero), db.transaction():
            db.execute("INSERT INTO t VALUES (99, 'never', 0)")
            db.execute("SELECT 1 / 0")
        db.execute("DELETE FROM t")
        db.execute("TRUNCATE t")
        db.execute("INSERT INTO t VALUES (3, 'c', 6)")
    driver.until_records(8)
    # of an old row only the key is known; what must not be null is empty, as in Debezium
    assert seen(driver) == [
        ("c", {"id": 1, "v": "a", "n": 5}),
        ("u", {"id": 1, "v": "b", "n": 5}),
        ("d", {"id": 1, "v": None, "n": 0}),
        ("-", {"id": 1}),
        ("c", {"id": 2, "v": None, "n": 5}),
        ("d", {"id": 2, "v": None, "n": 0}),
        ("-", {"id": 2}),
        ("c", {"id": 3, "v": "c", "n": 6}),
    ]
    gone, tombstone, come = driver.records[2:5]
    assert [(h.name, h.value) for h in gone.headers] == [("__debezium.newkey", {"id": 2})]
    assert tombstone.headers == gone.headers and tombstone.version == gone.version
    assert [(h.name, h.value) for h in come.headers] == [("__debezium.oldkey", {"id": 1})]
    assert driver.versions_never_fall("t.public.t")
    source = driver.records[0].value["source"]
    assert source["lsn"] and source["txId"] and source["snapshot"] == "false" and source["table"] == "t"
    assert driver.batches[-1].ends_transaction


def test_replica_identities(any_database: Database, make_driver: MakeDriver) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TABLE f (id int PRIMARY KEY, v text)")
        db.execute("ALTER TABLE f REPLICA IDENTITY FULL")
        db.execute("CREATE TABLE i (id int PRIMARY KEY, code text NOT NULL UNIQUE, v text)")
        db.execute("ALTER TABLE i REPLICA IDENTITY USING INDEX i_code_key")
        db.execute("CREATE TABLE n (id int PRIMARY KEY, v text)")
        db.execute("ALTER TABLE n REPLICA IDENTITY NOTHING")
        driver = make_driver(any_database).open().until_caught_up()
        db.execute("INSERT INTO f VALUES (1, 'a')")
        db.execute("UPDATE f SET v = 'b'")
        db.execute("DELETE FROM f")
        db.execute("INSERT INTO i VALUES (1, 'x', 'a')")
        db.execute("UPDATE i SET v = 'b'")
        db.execute("UPDATE i SET code = 'y'")
        db.execute("DELETE FROM i")
        db.execute("INSERT INTO n VALUES (1, 'a')")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            db.execute("DELETE FROM n")
    driver.until_records(12)
    full = [r for r in driver.records if r.topic == "t.public.f"]
    assert [r.value and r.value["before"] for r in full] == [None, {"id": 1, "v": "a"}, {"id": 1, "v": "b"}, None]
    by_index = [(r.value["op"] if r.value else "-", r.key) for r in driver.records if r.topic == "t.public.i"]
    x, y = {"code": "x"}, {"code": "y"}
    assert by_index == [("c", x), ("u", x), ("d", x), ("-", x), ("c", y), ("d", y), ("-", y)]
    assert [r.key for r in driver.records if r.topic == "t.public.n"] == [{"id": 1}]


def test_a_large_transaction_is_split_and_resumed_by_event(any_database: Database, make_driver: MakeDriver) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        driver = make_driver(any_database, **{"max.batch.size": "100"}).open().until_caught_up()
        db.execute("INSERT INTO t VALUES (-1)")
        db.execute("INSERT INTO t SELECT n FROM generate_series(1, 1000) n")  # COPY and INSERT share LSNs between rows
        db.execute("UPDATE t SET id = id + 10000 WHERE id > 990")
        db.execute("INSERT INTO t VALUES (-2)")
        db.execute("DELETE FROM t WHERE id = -1")
    for stop in (1, 250, 999, 1012, 1032):
        driver.until_records(stop)
        driver.crash()
        driver.open()
    driver.until_records(1 + 1000 + 30 + 1 + 2)
    keys = [r.key["id"] for r in driver.records]
    moved = [key for n in range(991, 1001) for key in (n, n, n + 10000)]
    assert keys == [-1, *range(1, 1001), *moved, -2, -1, -1]
    assert all(len(batch.records) <= 102 for batch in driver.batches)
    assert not all(batch.ends_transaction for batch in driver.batches)
    driver.step()
    assert len(driver.records) == len(keys)


def test_what_was_not_acknowledged_is_read_again(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        driver = make_driver(database).open().until_caught_up()
        for number in range(20):
            db.execute("INSERT INTO t VALUES (%s)", [number])
    stored = dict(driver.positions)
    driver.until_records(20)
    first = [r.key["id"] for r in driver.records]
    driver.close()
    driver.positions = stored  # the log lost the race: nothing of it was committed
    driver.records.clear()
    driver.open().until_records(20)
    assert [r.key["id"] for r in driver.records] == first == list(range(20))


def test_captured_truncates(any_database: Database, make_driver: MakeDriver) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TABLE a (id int PRIMARY KEY)")
        db.execute("CREATE TABLE b (id int PRIMARY KEY REFERENCES a)")
        driver = make_driver(any_database, **{"skipped.operations": "none"}).open().until_caught_up()
        db.execute("INSERT INTO a VALUES (1)")
        db.execute("TRUNCATE a CASCADE")
    driver.until_records(3)
    assert {(r.topic, r.value["op"], r.key) for r in driver.records[1:]} == {
        ("t.public.a", "t", "headwater.truncate"),
        ("t.public.b", "t", "headwater.truncate"),
    }
    assert driver.source is not None
    settings = driver.source.topic("t.public.a")
    assert settings.partitions == 1 and settings.config["cleanup.policy"] == "compact"


@pytest.mark.parametrize("via_root", ["true", "false"])
def test_partitioned_tables(via_root: str, any_database: Database, make_driver: MakeDriver) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TABLE p (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id)")
        db.execute("CREATE TABLE p_low PARTITION OF p FOR VALUES FROM (0) TO (100)")
        db.execute("CREATE TABLE p_high PARTITION OF p FOR VALUES FROM (100) TO (200)")
        db.execute("INSERT INTO p VALUES (1, 'a'), (101, 'b')")
        options = {"publish.via.partition.root": via_root}
        if via_root == "false":
            with pytest.raises(Fatal, match=r"public\.p is a partitioned table.*publish.via.partition.root = true"):
                make_driver(any_database, **options, **{"table.include.list": r"public\.p"}).open()
        driver = make_driver(any_database, **options).open().until_caught_up()
        db.execute("INSERT INTO p VALUES (2, 'c')")
        db.execute("UPDATE p SET id = 102 WHERE id = 2")
    driver.until_records(2 + 1 + 3)
    topics = {"t.public.p"} if via_root == "true" else {"t.public.p_low", "t.public.p_high"}
    assert {r.topic for r in driver.records} == topics == set(driver.complete)
    everything = {key: row for topic in topics for key, row in driver.latest(topic).items()}
    assert {key[0] for key in everything} == {1, 101, 102}


def test_unchanged_toast(any_database: Database, make_driver: MakeDriver) -> None:
    with any_database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, v int, big text, arr text[])")
        db.execute("ALTER TABLE t ALTER big SET STORAGE EXTERNAL, ALTER arr SET STORAGE EXTERNAL")
        db.execute(f"INSERT INTO t SELECT n, 0, {BIG}, ARRAY[{BIG}] FROM generate_series(1, 5) n")
        driver = make_driver(any_database).open().until_caught_up()
        db.execute("UPDATE t SET v = 1 WHERE id <= 2")
        db.execute("UPDATE t SET id = 30 WHERE id = 3")
        db.execute("UPDATE t SET v = 2 WHERE id = 4")  # gone before it can be read again
        db.execute("DELETE FROM t WHERE id = 4")
        with db.transaction():
            db.execute(f"UPDATE t SET big = {BIG} WHERE id = 5")
            db.execute("UPDATE t SET v = 3 WHERE id = 5")
            db.execute("UPDATE t SET id = 50 WHERE id = 5")
        rows = dict(db.execute("SELECT id, big || arr[1] FROM t").fetchall())
    driver.until_records(5 + 2 + 3 + 3 + 2 + 3)
    found = driver.latest("t.public.t")
    assert {key[0]: row["big"] + row["arr"][0] for key, row in found.items()} == rows
    vanished = next(r for r in driver.records if r.key == {"id": 4} and r.value and r.value["op"] == "u")
    assert vanished.value["after"]["big"] == "__debezium_unavailable_value"


def test_toast_placeholder_and_full_identity(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        for table in ("p", "f"):
            db.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, v int, big text)")
            db.execute(f"ALTER TABLE {table} ALTER big SET STORAGE EXTERNAL")
            db.execute(f"INSERT INTO {table} SELECT 1, 0, {BIG}")
        db.execute("ALTER TABLE f REPLICA IDENTITY FULL")
        options = {"toast.policy": "placeholder", "unavailable.value.placeholder": "gone"}
        driver = make_driver(database, **options).open().until_caught_up()
        db.execute("UPDATE p SET v = 1")
        db.execute("UPDATE f SET v = 1")
        driver.until_records(4)
        assert driver.afters("t.public.p")[1] == {"id": 1, "v": 1, "big": "gone"}
        before, after = (driver.records[-1].value[side]["big"] for side in ("before", "after"))
        assert before == after and len(after) > 6000


def test_an_idle_database_lets_go_of_its_wal(any_database: Database, make_driver: MakeDriver) -> None:
    """Another database of the server writes; ours is idle; the slot moves on, behind the stored position."""
    with any_database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    driver = make_driver(any_database).open().until_caught_up()
    before = driver.stream_position()["commit_lsn"]
    with any_database.server.connect() as other:
        other.execute("CREATE TEMP TABLE noise AS SELECT 1")
        other.execute("SELECT pg_logical_emit_message(false, 'noise', repeat('x', 100000))")
        written = other.execute("SELECT (pg_current_wal_lsn() - '0/0')::bigint").fetchone()

        def confirmed() -> int:
            query = "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots WHERE slot_name = %s"
            row = other.execute(query, [f"s_{any_database.name}"]).fetchone()
            assert row is not None and isinstance(row[0], int)
            assert row[0] <= driver.stream_position()["commit_lsn"], "the slot passed the durable position"
            return row[0]

        assert written is not None and isinstance(written[0], int) and written[0] > before
        target = written[0]
        driver.until(lambda: confirmed() >= target)
    assert not driver.records


def test_heartbeats(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        db.execute("CREATE TABLE beat (id int PRIMARY KEY, n int)")
        db.execute("INSERT INTO beat VALUES (1, 0)")
        query = "UPDATE public.beat SET n = n + 1"
        options = {"heartbeat.interval.ms": "100", "heartbeat.action.query": query, "table.include.list": r"public\.t"}
        driver = make_driver(database, **options).open().until_records(3)
        assert {r.topic for r in driver.records} == {"__debezium-heartbeat.t"}
        row = db.execute("SELECT n FROM beat").fetchone()
        assert row is not None and isinstance(row[0], int) and row[0] >= 3


def test_toast_of_a_transaction_that_queries_do_not_see_yet() -> None:
    """The stream is ahead of what queries see for as long as a commit waits for a synchronous standby."""
    with running(18, settings={"synchronous_commit": "local"}) as server:
        database = Database(server, "postgres")
        with database.connect() as db:
            db.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            db.execute("SELECT pg_reload_conf()")
            db.execute("CREATE TABLE t (id int PRIMARY KEY, big text)")
            db.execute("ALTER TABLE t ALTER big SET STORAGE EXTERNAL")
            db.execute(f"INSERT INTO t SELECT 1, {BIG}")
        driver = Driver(database).open().until_caught_up()
        with database.connect() as db:
            db.execute("INSERT INTO t VALUES (9, 'described')")
        driver.until_records(1 + 1)

        def move() -> None:
            with database.connect() as slow:
                slow.execute("SET synchronous_commit = on")
                slow.execute("UPDATE t SET id = 2 WHERE id = 1")

        def let_go() -> None:
            with database.connect() as db:
                db.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
                db.execute("SELECT pg_reload_conf()")

        mover, releaser = threading.Thread(target=move), threading.Timer(2, let_go)
        mover.start()
        releaser.start()
        try:
            driver.until_records(1 + 1 + 3)
        finally:
            mover.join()
            releaser.join()
            driver.close()
        assert len(driver.latest("t.public.t")[2,]["big"]) > 6000
