"""What can go wrong with the server, the connection and the slot: what goes on by itself, what is an error."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from headwater.connectors.postgres.source import PostgresSourceConnector, slot
from headwater.worker.api import Fatal, HeadwaterError, Retriable, TaskContext
from tests.conftest import Database
from tests.servers.cache import SERVER_USER, is_root
from tests.servers.postgres import PostgresServer, running

from .conftest import MakeDriver
from .driver import Driver, parse

pytestmark = pytest.mark.system


@pytest.fixture
def own() -> Iterator[Database]:
    """A server of the test's own, to be restarted and broken."""
    with running(18) as server:
        server.create_database("shop")
        yield Database(server, "shop")


def read_until_error(driver: Driver, timeout_s: float = 300) -> HeadwaterError:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            driver.step()
        except HeadwaterError as error:
            return error
    raise AssertionError("no error came")


def test_a_server_that_restarts(own: Database, make_driver: MakeDriver) -> None:
    with own.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        driver = make_driver(own).open().until_caught_up()
        db.execute("INSERT INTO t VALUES (1)")
        driver.until_records(1)
    for number, how in enumerate((signal.SIGQUIT, signal.SIGINT), 2):
        stopping = threading.Thread(target=own.server.stop, args=(how,))
        stopping.start()  # a fast stop waits until all that was sent is confirmed: it must not hang
        error = read_until_error(driver)
        assert isinstance(error, Retriable), error
        stopping.join(120)
        assert not stopping.is_alive()
        driver.close()
        with pytest.raises(Retriable, match=r"connecting to PostgreSQL at 127\.0\.0\.1"):
            driver.open()
        own.server.start()
        with own.connect() as db:
            db.execute("INSERT INTO t VALUES (%s)", [number])
        driver.open().until_records(number)
    assert [r.key["id"] for r in driver.records] == [1, 2, 3]


def test_a_connection_that_is_cut(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        driver = make_driver(database).open().until_caught_up()
        db.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active")
        assert isinstance(read_until_error(driver), Retriable)
        db.execute("INSERT INTO t VALUES (1)")
        driver.close()
        driver.open().until_records(1)


def test_a_snapshot_that_is_cut(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
        db.execute("INSERT INTO t SELECT n, repeat('x', 500) FROM generate_series(1, 20000) n")
        options = {"snapshot.max.threads": "2", "max.batch.size": "500", "snapshot.chunk.rows": "3000"}
        driver = make_driver(database, **options).open().until_records(2000)
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'")
        assert isinstance(read_until_error(driver), Retriable)
        driver.close()
        driver.open().until_caught_up()
    assert [r.key["id"] for r in driver.records] == list(range(1, 20001))


def test_the_slot_is_gone(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        driver = make_driver(database).open().until_caught_up()
        driver.close()
        drop_slot(db, database)
        with pytest.raises(Fatal, match=r"the replication slot is gone.*a new snapshot is then taken"):
            driver.open()


def drop_slot(db: psycopg.Connection[tuple[object, ...]], database: Database) -> None:
    for _ in range(100):
        try:
            db.execute("SELECT pg_drop_replication_slot(%s)", [f"s_{database.name}"])
            return
        except psycopg.errors.ObjectInUse:
            time.sleep(0.02)


def test_the_slot_was_moved(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        driver = make_driver(database).open().until_caught_up()
        version = driver.complete["t.public.t"]
        driver.close()
        db.execute("INSERT INTO t VALUES (1)")
        drop_slot(db, database)
        db.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [f"s_{database.name}"])
        with pytest.raises(Fatal, match=r"somebody else has moved or re-created it.*offset.mismatch.strategy"):
            driver.open()
        driver.open(**{"offset.mismatch.strategy": "trust_slot"})
        db.execute("INSERT INTO t VALUES (2)")
        driver.until_records(1)
    assert driver.records[0].key == {"id": 2}
    assert driver.complete == {} and "t.public.t" in driver.restarted  # whole no more
    assert (driver.records[0].version or 0) >> 53 == 1 > version >> 53
    assert driver.stream_position()["epoch"] == 1


def test_a_slot_in_use_by_somebody_else(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
    driver = make_driver(database).open().until_caught_up()
    values = parse(database)
    other = PostgresSourceConnector().task()
    try:
        with pytest.raises(Retriable, match=r"in use by pid \d+ \(headwater demo\)"):
            other.open(TaskContext("another", 0, values), list(driver.positions.values()))
    finally:
        other.close()
    driver.crash()
    driver.open().until_caught_up()  # our own predecessor is ended


def test_a_new_slot_waits_for_old_transactions(
    database: Database, make_driver: MakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot, "CREATE_TIMEOUT_S", 0.5)
    with database.connect() as db, database.connect() as old:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        old.execute("BEGIN")
        old.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(Retriable, match=rf"waits for transactions to end: pid {old.info.backend_pid} of postgres"):
            make_driver(database).open()
        count = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"
        for _ in range(100):
            if db.execute(count).fetchone() == (0,):
                break
            time.sleep(0.02)
        assert db.execute(count).fetchone() == (0,), "the half-made slot stayed behind"
        old.execute("COMMIT")
        assert make_driver(database).open().until_caught_up().latest("t.public.t") == {(1,): {"id": 1}}


def test_a_slot_for_tests_goes_when_the_task_stops(database: Database, make_driver: MakeDriver) -> None:
    with database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        driver = make_driver(database, **{"slot.drop.on.stop": "true"}).open().until_caught_up()
        driver.stopping.set()
        driver.close()
        slots = db.execute("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()").fetchone()
        assert slots == (0,)


def test_a_value_that_cannot_be_written(database: Database, make_driver: MakeDriver) -> None:
    """Fails by default, naming the change; left out where the user says so."""
    with database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY, j float8[])")
        db.execute("ALTER TABLE t ALTER j SET STORAGE EXTERNAL")
        db.execute("INSERT INTO t SELECT 1, array_agg(random()) FROM generate_series(1, 2000)")
        driver = make_driver(database, **{"toast.policy": "placeholder"}).open().until_caught_up()
        db.execute("UPDATE t SET id = 2")  # the array is not sent, and a list of numbers has no placeholder
        db.execute("INSERT INTO t VALUES (3, '{1}')")
        error = read_until_error(driver)
        assert isinstance(error, Fatal)
        assert "a change of public.t at" in str(error) and "toast.policy=reselect" in str(error)
        driver.close()
        driver.open(**{"event.processing.failure.handling.mode": "warn"}).until_records(2)
        assert driver.records[-1].key == {"id": 3}


def copy_of(server: PostgresServer) -> PostgresServer:
    """Another server with a copy of this one's stopped data."""
    copy = PostgresServer(server.major)
    shutil.rmtree(copy.folder / "data")
    shutil.copytree(server.folder / "data", copy.folder / "data", symlinks=True)
    if is_root():
        for path in (copy.folder / "data", *(copy.folder / "data").rglob("*")):
            shutil.chown(path, SERVER_USER)
    return copy


def promote(server: PostgresServer) -> None:
    """Start as a standby without a primary, and promote: a new timeline."""
    signal_file = Path(server.folder / "data" / "standby.signal")
    signal_file.touch()
    if is_root():
        shutil.chown(signal_file, SERVER_USER)
    server.start()
    with server.connect() as db:
        db.execute("SELECT pg_promote(true, 30)")


@pytest.fixture
def standby() -> Iterator[Callable[[PostgresServer], PostgresServer]]:
    made: list[PostgresServer] = []

    def make(server: PostgresServer) -> PostgresServer:
        made.append(copy_of(server))
        return made[-1]

    yield make
    for server in made:
        server.close()


def test_failover_and_restore(
    own: Database, make_driver: MakeDriver, standby: Callable[[PostgresServer], PostgresServer]
) -> None:
    with own.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        driver = make_driver(own).open().until_caught_up()
        db.execute("INSERT INTO t VALUES (1)")
        driver.until_records(1)
    driver.close()
    own.server.stop(signal.SIGINT)
    newer, older = standby(own.server), standby(own.server)

    # a failover that undoes nothing: the epoch rises, the stream goes on
    promote(newer)
    driver.database = Database(newer, "shop")
    driver.open()
    with newer.connect("shop") as db:
        db.execute("INSERT INTO t VALUES (2)")
    driver.until_records(2)
    assert [(r.version or 0) >> 53 for r in driver.records] == [0, 1]
    assert driver.versions_never_fall("t.public.t") and driver.stream_position()["timeline"] == 2
    driver.close()

    # another server is promoted from before that: what the log holds was undone there
    promote(older)
    driver.database = Database(older, "shop")
    with pytest.raises(Fatal, match=r"restored|undone|does not come from|WAL ends"):
        driver.open()
    driver.open(**{"offset.mismatch.strategy": "trust_slot"})
    with older.connect("shop") as db:
        db.execute("INSERT INTO t VALUES (3)")
    driver.until(lambda: driver.records[-1].key == {"id": 3})
    assert (driver.records[-1].version or 0) >> 53 == 2

    # and a server that never knew this one
    with running(18) as foreign:
        foreign.create_database("shop")
        with foreign.connect("shop") as db:
            db.execute("CREATE TABLE t (id int PRIMARY KEY)")
            db.execute("SELECT pg_create_logical_replication_slot('s_shop', 'pgoutput')")
        driver.close()
        driver.database = Database(foreign, "shop")
        with pytest.raises(Fatal, match="another database system"):
            driver.open()


def test_wal_level_and_free_slots(make_driver: MakeDriver) -> None:
    with running(18, settings={"wal_level": "replica"}) as server:
        server.create_database("shop")
        database = Database(server, "shop")
        with pytest.raises(Fatal, match=r"wal_level = replica.*ALTER SYSTEM SET wal_level = 'logical'"):
            make_driver(database).open()
        server.settings["wal_level"] = "logical"
        server.settings["max_replication_slots"] = "1"
        server.restart()
        with database.connect() as db:
            db.execute("CREATE TABLE t (id int PRIMARY KEY)")
            db.execute("SELECT pg_create_logical_replication_slot('taken', 'pgoutput')")
            with pytest.raises(Fatal, match="raise max_replication_slots"):
                make_driver(database).open()


def test_privileges_and_passwords() -> None:
    with running(18, password="pa55word") as server:
        server.create_database("shop")
        database = Database(server, "shop")
        with server.connect("shop") as db:
            db.execute("CREATE TABLE t (id int PRIMARY KEY)")
            db.execute("CREATE ROLE bob LOGIN PASSWORD 'hunter2'")
        bob = {"database.user": "bob", "database.password": "hunter2"}

        def refused(options: dict[str, str]) -> str:
            driver = Driver(database, **options)
            try:
                with pytest.raises(Fatal) as caught:
                    driver.open()
            finally:
                driver.close()
            assert "hunter2" not in str(caught.value) and "wrong-one" not in str(caught.value)
            return str(caught.value)

        assert "password authentication failed" in refused(bob | {"database.password": "wrong-one"})
        assert "may not open a replication connection" in refused(bob)
        with server.connect("shop") as db:
            db.execute("ALTER ROLE bob REPLICATION")
            assert "may not run: CREATE PUBLICATION" in refused(bob)
            db.execute("CREATE PUBLICATION headwater_t FOR TABLE t")
            assert 'GRANT SELECT ON "public"."t" TO "bob"' in refused(bob)
            db.execute("GRANT SELECT ON t TO bob")
        driver = Driver(database, **bob).open().until_caught_up()
        driver.close()
