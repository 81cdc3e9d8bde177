"""Debezium goes on wherever Headwater stopped within a transaction, also between the rows of one WAL record."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from headwater.worker.api import Position
from tests.conftest import Database
from tests.servers.connect import ConnectWorker
from tests.servers.kafka import KafkaServer
from tests.system.postgres_source.driver import Driver

from .reading import ends, payload, read_all
from .scene import wait_for

pytestmark = pytest.mark.compat
LAST = 10


def copy(db: psycopg.Connection[tuple[object, ...]], *ids: int) -> None:
    """One WAL record for all rows."""
    with db.cursor() as cursor, cursor.copy("COPY t FROM STDIN") as rows:
        for number in ids:
            rows.write_row([number])


@pytest.fixture
def stopped_at(database: Database) -> dict[int, Position]:
    """Positions of a transaction of nine rows, by the last row before each; a slot of its own for each of them."""
    driver = Driver(database, max__batch__size="1", publication__name="p")
    with database.connect() as db:
        db.execute("CREATE TABLE t (id int PRIMARY KEY)")
        driver.open().until_caught_up()
        db.execute("INSERT INTO t VALUES (0)")
        driver.until_records(1)
        for number in range(1, LAST):
            slots = [f"s_{database.name}", f"s_{database.name}_{number}"]
            db.execute("SELECT pg_copy_logical_replication_slot(%s, %s)", slots)
        with db.transaction():
            copy(db, 1, 2, 3)  # the transaction's Begin has the LSN of this one, too
            db.execute("INSERT INTO t VALUES (4)")
            copy(db, 5, 6, 7)
            db.execute("INSERT INTO t VALUES (8)")
            db.execute("INSERT INTO t VALUES (9)")
        found: dict[int, Position] = {}
        while 9 not in found:
            batch = driver.step(ack=False)
            if batch is not None and batch.records:
                found[batch.records[-1].key["id"]] = driver.stream_position()
        db.execute(f"INSERT INTO t VALUES ({LAST})".encode())
        driver.close()
        return found


@pytest.fixture
def go_on(kafka: KafkaServer, java: ConnectWorker, database: Database) -> Iterator[Callable[[int, Position], str]]:
    """Start Debezium at a position, with a slot of its own; the name of its topic."""
    names: list[str] = []

    def start(number: int, position: Position) -> str:
        name = f"{database.name}_{number}"
        config = {
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "database.hostname": "127.0.0.1",
            "database.port": str(database.server.port),
            "database.user": "postgres",
            "database.password": "unused",
            "database.dbname": database.name,
            "topic.prefix": name,
            "slot.name": f"s_{name}",
            "publication.name": "p",
            "publication.autocreate.mode": "disabled",
            "plugin.name": "pgoutput",
            "topic.creation.default.replication.factor": "1",
            "topic.creation.default.partitions": "1",
        }
        java.request("POST", "/connectors", {"name": name, "config": config, "initial_state": "STOPPED"})
        names.append(name)
        java.wait_for_state(name, "STOPPED")
        java.alter_offsets(name, [{"partition": {"server": name}, "offset": position}])
        java.resume_connector(name)
        return f"{name}.public.t"

    yield start
    for name in names:
        java.delete_connector(name)


def test_debezium_goes_on_exactly(
    kafka: KafkaServer, stopped_at: dict[int, Position], go_on: Callable[[int, Position], str]
) -> None:
    assert sorted(stopped_at) == [1, 2, 3, 4, 6, 7, 8, 9], "after 5 alone nobody could tell that 6 is still to come"
    topics = {last: go_on(last, position) for last, position in stopped_at.items()}

    def ids(topic: str) -> list[int]:
        if not ends(kafka.bootstrap, [topic]):
            return []
        return [payload(raw.key)["id"] for raw in read_all(kafka.bootstrap, [topic])]

    for last, topic in topics.items():
        wait_for(lambda topic=topic: LAST in ids(topic), f"row {LAST} in {topic}")
        assert ids(topic) == list(range(last + 1, LAST + 1)), f"Headwater stopped after row {last}"
