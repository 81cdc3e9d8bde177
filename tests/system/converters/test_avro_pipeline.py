"""PostgreSQL -> topics in Avro -> a PostgreSQL view and Parquet files, by the configs as they stand; the registry is
away for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pyarrow.dataset as ds
import pytest

from tests.conftest import Database
from tests.servers.cable import Cable
from tests.servers.postgres import PostgresServer
from tests.servers.registry import Registry
from tests.servers.worker import WorkerProcess
from tests.system.parquet_sink import task
from tests.topic_contents import on_embedded_log

pytestmark = pytest.mark.system

CONFIGS = Path(__file__).parents[3] / "configs"
FILES = ("avro-source.yaml", "avro-view.yaml", "avro-lake.yaml")
COLUMNS = ("flight_id", "price")
FLIGHTS = """
CREATE TABLE flights (flight_id int PRIMARY KEY, price numeric(10, 2), at timestamptz, note text);
INSERT INTO flights SELECT n, n / 4.0, '2026-01-01 00:00:00Z'::timestamptz + n * interval '1 s', 'n' || n
FROM generate_series(1, 300) n;
"""


@pytest.fixture
def databases(pg: PostgresServer, make_database: Callable[[PostgresServer], Database]) -> tuple[Database, Database]:
    source, view = make_database(pg), make_database(pg)
    with source.connect() as connection:
        connection.execute(FLIGHTS)
    return source, view


@pytest.fixture
def cable(registry: Registry) -> Iterator[Cable]:
    made = Cable(f"127.0.0.1:{registry.port}")
    yield made
    made.close()


@pytest.fixture
def worker(
    databases: tuple[Database, Database], cable: Cable, registry: Registry, tmp_path: Path
) -> Iterator[WorkerProcess]:
    source, view = databases
    env = {
        "SOURCE_HOST": "127.0.0.1", "SOURCE_PORT": str(source.server.port), "SOURCE_USER": "postgres",
        "SOURCE_PASSWORD": "any", "SOURCE_DBNAME": source.name,
        "VIEW_URL": f"postgresql://127.0.0.1:{view.server.port}/{view.name}", "VIEW_USER": "postgres",
        "VIEW_PASSWORD": "any", "LAKE_PATH": str(tmp_path / "lake"),
        "REGISTRY_URL": registry.url.replace(f"127.0.0.1:{registry.port}", cable.address),
    }  # fmt: skip
    made = WorkerProcess([CONFIGS / name for name in FILES], tmp_path / "data", env)
    yield made
    made.stop()


def test_a_registry_that_is_away_for_a_while_loses_nothing(
    databases: tuple[Database, Database], cable: Cable, worker: WorkerProcess
) -> None:
    source, view = databases
    for name in FILES:
        done = worker.command("lint", str(CONFIGS / name))
        assert done.returncode == 0, done.stdout + done.stderr
    worker.start()
    wait_for(lambda: rows(view) == rows(source), worker)
    cable.pull_out()
    with source.connect() as connection:
        connection.execute("ALTER TABLE flights ADD COLUMN gate text")  # a new schema, which only a registry can name
        connection.execute("INSERT INTO flights SELECT n, 1, now(), NULL, 'G' || n FROM generate_series(301, 400) n")
        connection.execute("DELETE FROM flights WHERE flight_id = 7")
    wait_for(lambda: "the schema registry does not answer" in worker.tail(1_000_000), worker)
    states = worker.get("/connectors/nyc/status")
    assert [task["state"] for task in states["tasks"]] == ["RUNNING"], states
    cable.plug_in()
    wait_for(lambda: rows(view) == rows(source), worker)
    wait_for(lambda: in_lake(worker) == [row[:2] for row in rows(source)], worker)
    worker.stop()
    messages = on_embedded_log(worker.data, "nyc.public.flights")
    assert {(message.key or b"-")[:1] for message in messages} == {b"\0"}


def rows(database: Database) -> list[tuple[object, ...]]:
    try:
        with database.connect() as connection:
            return connection.execute("SELECT * FROM flights ORDER BY flight_id").fetchall()
    except psycopg.errors.UndefinedTable:
        return []


def in_lake(worker: WorkerProcess) -> list[tuple[object, ...]]:
    lake = Path(worker.env["LAKE_PATH"])
    tables = task.current(lake)["tables"] if (lake / "current.json").exists() else {}
    if "flights" not in tables:
        return []
    files = tables["flights"]["files"]
    return sorted(tuple(row[name] for name in COLUMNS) for row in ds.dataset(files).to_table().to_pylist())


def wait_for(condition: Callable[[], bool], worker: WorkerProcess, timeout_s: float = 300) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, worker.tail()
        time.sleep(0.2)
