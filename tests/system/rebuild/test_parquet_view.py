"""Parquet views of a Postgres database, rebuilt under a live write load by a running worker."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.dataset as ds
import pyarrow.fs as fs
import pytest

from headwater.connectors.debezium.placeholder import UNAVAILABLE_VALUE
from tests.conftest import Database
from tests.servers.postgres import PostgresServer
from tests.servers.process import kill_one
from tests.servers.s3 import S3Server
from tests.servers.worker import WorkerProcess

pytestmark = pytest.mark.system

SCHEMA = """
CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL, city text, credit numeric(12,2), notes text);
CREATE TABLE visit (at int, page text);
ALTER TABLE customer ALTER COLUMN notes SET STORAGE EXTERNAL;
ALTER TABLE visit REPLICA IDENTITY FULL;
INSERT INTO customer SELECT n, 'customer ' || n, 'city ' || n % 7, n * 1.25, repeat(md5(n::text), 200)
  FROM generate_series(1, 1500) n;
INSERT INTO visit SELECT n, 'page ' || n % 9 FROM generate_series(1, 1500) n;
"""
# Compaction would lose values that the newest event of a row leaves out.
SOURCE = """
name: shop
connector.class: PostgresSource
topic.prefix: shop
toast.policy: placeholder
topic.creation.default.min.compaction.lag.ms: 86400000
database: {{hostname: 127.0.0.1, port: {port}, user: postgres, password: none, dbname: {name}}}
"""
LAKE = """
name: lake
connector.class: ParquetSink
topics: shop.public.customer
view.mode: latest.state
rotate.schedule.interval.ms: 300
latest.file.rows: 400
"""
SLIM = """
transforms: unwrap, slim
transforms.unwrap.type: ExtractNewRecordState
transforms.slim.type: ReplaceField$Value
transforms.slim.exclude: city
"""
VISITS = """
name: visits
connector.class: ParquetSink
topics: shop.public.visit
rotate.schedule.interval.ms: 300
"""
HISTORY = """
name: history
connector.class: ParquetSink
topics: shop.public.customer
"""
TABLES = """
name: tables
connector.class: PostgresSink
topics: shop.public.customer
connection.url: {url}
connection.username: postgres
connection.password: none
"""
CUSTOMERS = "SELECT id, name, city, credit, notes FROM customer ORDER BY id"


class Writer:
    """Changes both tables until it is stopped."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._ending = threading.Event()
        self.changes = 0
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        chance = random.Random(1)
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self._ending.is_set():
                with connection.transaction():
                    connection.execute(
                        "INSERT INTO customer VALUES (%s, 'new', 'x', 1, 'short') ON CONFLICT (id) DO UPDATE "
                        "SET name = customer.name || '+', credit = customer.credit + 1",
                        [chance.randrange(1, 2000)],
                    )
                    connection.execute("DELETE FROM customer WHERE id = %s", [chance.randrange(1, 2000)])
                    connection.execute("INSERT INTO visit VALUES (%s, 'live')", [self.changes])
                self.changes += 1
                self._ending.wait(0.01)

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(30)


class Place:
    """Where the lake lies. `options`: its part of the config."""

    def __init__(self, options: str, files: fs.FileSystem, root: str) -> None:
        self.options, self.files, self.root = options, files, root

    def rows(self, columns: str) -> list[tuple[Any, ...]]:
        try:
            with self.files.open_input_stream(f"{self.root}/current.json") as file:
                current = json.loads(file.read())
        except FileNotFoundError:
            return []
        tables = current["tables"]
        if "shop.public.customer" not in tables:
            return []
        paths = [path.removeprefix("s3://") for path in tables["shop.public.customer"]["files"]]
        wanted = columns.split(", ")
        table = ds.dataset(paths, filesystem=self.files).to_table(columns=wanted)
        return [tuple(row[name] for name in wanted) for row in table.to_pylist()]


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "local":
        return Place(f"path: {tmp_path}/lake\n", fs.LocalFileSystem(), f"{tmp_path}/lake")
    server: S3Server = request.getfixturevalue("s3")
    bucket: str = request.getfixturevalue("bucket")
    options = f"path: s3://{bucket}/lake\nstore.url: {server.endpoint}\ns3.region: {server.region}\n"
    options += f"aws.access.key.id: {server.access_key}\naws.secret.access.key: {server.secret_key}\n"
    files = fs.S3FileSystem(
        access_key=server.access_key, secret_key=server.secret_key, region=server.region,
        endpoint_override=server.endpoint,
    )  # fmt: skip
    return Place(options, files, f"{bucket}/lake")


@pytest.fixture
def databases(pg: PostgresServer, make_database: Callable[[PostgresServer], Database]) -> tuple[Database, Database]:
    source, view = make_database(pg), make_database(pg)
    with source.connect() as connection:
        connection.execute(SCHEMA)
    return source, view


@pytest.fixture
def worker(databases: tuple[Database, Database], place: Place, tmp_path: Path) -> Iterator[WorkerProcess]:
    source, view = databases
    files = {
        "shop": SOURCE.format(port=source.server.port, name=source.name),
        "lake": LAKE + place.options,
        "slim": LAKE + place.options + SLIM,
        "visits": VISITS + f"path: {tmp_path}/visits\n",
        "history": HISTORY + f"path: {tmp_path}/history\n",
        "tables": TABLES.format(url=view.url),
    }
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    names = ("shop", "lake", "visits", "history", "tables")
    worker = WorkerProcess([tmp_path / f"{name}.yaml" for name in names], tmp_path / "data")
    worker.start()
    yield worker
    worker.stop()


def wait_equal(source: Database, query: str, place: Place, columns: str, timeout_s: float = 400) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        with source.connect() as connection:
            wanted = connection.execute(query).fetchall()
        if wanted == sorted(place.rows(columns)):
            return
        assert time.monotonic() < deadline, "the view does not become equal to the source"
        time.sleep(0.5)


def run(worker: WorkerProcess, *arguments: str) -> Any:
    done = worker.command(*arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr + worker.tail()
    return json.loads(done.stdout)


def test_rebuilt_verified_and_rolled_back(
    databases: tuple[Database, Database], worker: WorkerProcess, place: Place, tmp_path: Path
) -> None:
    source, _ = databases
    wait_equal(source, CUSTOMERS, place, "id, name, city, credit, notes")
    writer = Writer(source.dsn)
    try:
        done = run(worker, "rebuild", "lake", "--config", str(tmp_path / "slim.yaml"))
        assert done["outcome"] == "done" and done["generation"] == 2
        result = run(worker, "verify", "lake", "--source")["result"]
        assert result["equal"]
        assert result["unsettled"] or result["expected"] == result["found"]  # the log may be compacted meanwhile
        both = [threading.Thread(target=run, args=(worker, "rebuild", view)) for view in ("lake", "tables")]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join(300)
        assert run(worker, "rebuild", "visits")["outcome"] == "done"
        assert run(worker, "verify", "visits")["result"]["equal"]
    finally:
        writer.stop()
    assert writer.changes > 50
    history = {name: view["current"] for name, view in views(worker).items()}
    assert history == {"lake": 3, "tables": 2, "visits": 2, "history": 1}
    wait_equal(source, CUSTOMERS.replace("city, ", ""), place, "id, name, credit, notes")
    refused = worker.command("rebuild", "history", "--json")
    assert refused.returncode == 1 and "compaction" in refused.stdout
    assert run(worker, "verify", "history")["result"]["equal"]  # a task that waits a minute flushes at the barrier
    history_place = Place("", fs.LocalFileSystem(), f"{tmp_path}/history")
    assert (UNAVAILABLE_VALUE,) in history_place.rows("notes")  # what the other views had to fill in
    assert run(worker, "rollback", "lake")["generation"] == 2
    assert run(worker, "verify", "lake")["result"]["equal"]
    assert run(worker, "verify", "tables")["result"]["equal"]


def views(worker: WorkerProcess) -> dict[str, Any]:
    return {view["name"]: view for view in worker.get("/views")}


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_killed_while_it_is_rebuilt(
    databases: tuple[Database, Database], worker: WorkerProcess, place: Place, tmp_path: Path
) -> None:
    """Jobs and tasks die by turns; the old generation serves all the time and the rebuild comes to its end."""
    source, _ = databases
    wait_equal(source, CUSTOMERS, place, "id, name, city, credit, notes")
    writer = Writer(source.dsn)
    chance = random.Random(7)
    try:
        job = worker.request("POST", "/views/lake/rebuild", {"keep": "1s"})["job"]["id"]
        for _ in range(6):
            time.sleep(chance.uniform(0.2, 1.5))
            if children := worker.children():
                kill_one(chance.choice(children))
            assert len(place.rows("id")) > 500
        worker.kill()
        worker.start()
        deadline = time.monotonic() + 400
        while (last := worker.get("/views/lake/progress")["last"]) is None or last["id"] != job:
            assert time.monotonic() < deadline, worker.tail()
            time.sleep(0.3)
        assert last["outcome"] == "done", last
    finally:
        writer.stop()
    wait_equal(source, CUSTOMERS, place, "id, name, city, credit, notes")
    assert run(worker, "verify", "lake", "--source")["result"]["equal"]
    deadline = time.monotonic() + 300
    while list(worker.get("/views/lake")["generations"]) != ["2"]:
        assert time.monotonic() < deadline, worker.tail()
        time.sleep(0.3)
    assert not (tmp_path / "lake" / "g1").exists()
