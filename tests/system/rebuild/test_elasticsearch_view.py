"""Views in Elasticsearch and OpenSearch of a Postgres database, rebuilt under a live write load by a running worker."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import Database
from tests.servers.elasticsearch import SearchServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import kill_one
from tests.servers.worker import WorkerProcess
from tests.system.elasticsearch_sink.task import fresh

pytestmark = [pytest.mark.system, pytest.mark.timeout(2400)]

SCHEMA = """
CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL, city text, credit numeric(12,2), notes text);
INSERT INTO customer SELECT n, 'customer ' || n, 'city ' || n % 7, n * 1.25, repeat(md5(n::text), 200)
  FROM generate_series(1, 800) n;
"""
SOURCE = """
name: shop
connector.class: PostgresSource
topic.prefix: {prefix}
database: {{hostname: 127.0.0.1, port: {port}, user: postgres, password: none, dbname: {name}}}
"""
VIEW = """
name: {prefix}-search
connector.class: ElasticsearchSink
topics: {prefix}.public.customer
connection.url: {url}
distribution: {distribution}
index.settings: '{{"number_of_replicas": 0}}'
"""
SLIM = """
transforms: unwrap, slim
transforms.unwrap.type: ExtractNewRecordState
transforms.slim.type: ReplaceField$Value
transforms.slim.exclude: city
"""
CUSTOMERS = "SELECT id, name, city, credit::float8, notes FROM customer ORDER BY id"


class Writer:
    """Changes the table until it is stopped."""

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
                        [chance.randrange(1, 1000)],
                    )
                    connection.execute("DELETE FROM customer WHERE id = %s", [chance.randrange(1, 1000)])
                self.changes += 1
                self._ending.wait(0.1)  # slow enough that a rebuild comes after on a busy machine

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(60)


class Scene:
    """A source, its view and the worker that runs both."""

    def __init__(self, source: Database, server: SearchServer, folder: Path) -> None:
        self.source, self.server, self.folder = source, server, folder
        self.prefix = fresh()
        self.view, self.index = f"{self.prefix}-search", f"{self.prefix}.public.customer"
        given = {"prefix": self.prefix, "url": server.url, "distribution": server.distribution}
        self._write("shop", SOURCE.format(port=source.server.port, name=source.name, **given))
        self._write("view", VIEW.format(**given))
        self._write("slim", VIEW.format(**given) + SLIM)
        self.worker = WorkerProcess([folder / "shop.yaml", folder / "view.yaml"], folder / "data")

    def _write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.yaml").write_text(text)

    def rows(self, columns: str) -> list[tuple[Any, ...]]:
        names = columns.split(", ")
        found = self.server.documents(self.index).values()
        return sorted(tuple(document.get(name) for name in names) for document in found)

    def wait_equal(self, query: str, columns: str, timeout_s: float = 600) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            with self.source.connect() as connection:
                wanted = connection.execute(query).fetchall()  # type: ignore[call-overload]
            if wanted == self.rows(columns):
                return
            assert time.monotonic() < deadline, "the view does not become equal to the source" + self.worker.tail()
            time.sleep(0.5)

    def run(self, *arguments: str) -> Any:
        done = self.worker.command(*arguments, "--json", timeout_s=600)
        assert done.returncode == 0, done.stdout + done.stderr + self.worker.tail()
        return json.loads(done.stdout)


@pytest.fixture
def scene(
    pg: PostgresServer, make_database: Callable[[PostgresServer], Database], search: SearchServer, tmp_path: Path
) -> Iterator[Scene]:
    source = make_database(pg)
    with source.connect() as connection:
        connection.execute(SCHEMA)
    made = Scene(source, search, tmp_path)
    made.worker.start()
    yield made
    made.worker.stop()


@pytest.mark.long
@pytest.mark.parametrize("search", ["opensearch"], indirect=True)  # Elasticsearch's turn is in test_three_views.py
def test_rebuilt_verified_and_rolled_back(scene: Scene) -> None:
    scene.wait_equal(CUSTOMERS, "id, name, city, credit, notes")
    writer = Writer(scene.source.dsn)
    try:
        done = scene.run("rebuild", scene.view, "--config", str(scene.folder / "slim.yaml"))
        assert done["outcome"] == "done" and done["generation"] == 2
        result = scene.run("verify", scene.view, "--source")["result"]
        assert result["equal"]
        assert scene.run("verify", scene.view)["result"]["equal"]
    finally:
        writer.stop()
    assert writer.changes > 10
    scene.wait_equal(CUSTOMERS.replace("city, ", ""), "id, name, credit, notes")
    assert not any("city" in document for document in scene.server.documents(scene.index).values())
    assert scene.run("rollback", scene.view)["generation"] == 1
    scene.wait_equal(CUSTOMERS, "id, name, city, credit, notes")
    assert scene.run("verify", scene.view)["result"]["equal"]
    place = f"/{scene.index}/_doc/5000?version=1&version_type=external"
    scene.server.request("PUT", place, {"id": 5000, "name": "forged"})
    refused = scene.worker.command("verify", scene.view, "--json")
    assert refused.returncode == 1 and "forged" in refused.stdout


@pytest.mark.parametrize("search", ["elasticsearch", pytest.param("opensearch", marks=pytest.mark.long)], indirect=True)
def test_killed_while_it_is_rebuilt(scene: Scene) -> None:
    """Jobs and tasks die by turns; the old generation serves all the time and the rebuild comes to its end."""
    scene.wait_equal(CUSTOMERS, "id, name, city, credit, notes")
    writer = Writer(scene.source.dsn)
    chance = random.Random(7)
    worker = scene.worker
    try:
        job = worker.request("POST", f"/views/{scene.view}/rebuild", {"keep": "1s"})["job"]["id"]
        for _ in range(6):
            time.sleep(chance.uniform(0.2, 1.5))
            if children := worker.children():
                kill_one(chance.choice(children))
            assert len(scene.rows("id")) > 300
        worker.kill()
        worker.start()
        deadline = time.monotonic() + 600
        while (last := worker.get(f"/views/{scene.view}/progress")["last"]) is None or last["id"] != job:
            assert time.monotonic() < deadline, worker.tail()
            time.sleep(0.3)
        assert last["outcome"] == "done", last
    finally:
        writer.stop()
    scene.wait_equal(CUSTOMERS, "id, name, city, credit, notes")
    assert scene.run("verify", scene.view, "--source")["result"]["equal"]
    deadline = time.monotonic() + 600
    while list(worker.get(f"/views/{scene.view}")["generations"]) != ["2"]:
        assert time.monotonic() < deadline, worker.tail()
        time.sleep(0.3)
    assert scene.server.indices(f"{scene.prefix}*") == [f"{scene.index}-g2"]
    assert scene.server.indices(f"headwater-{scene.view}*") == [f"headwater-{scene.view}-g2"]
