"""Workers, tasks and servers die at random, a snapshot and a rebuild are in flight: nothing is lost or doubled."""

from __future__ import annotations

import os
import random
import signal
import time
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.postgres import PostgresServer, running
from tests.servers.worker import WorkerProcess

from .compare import Rows, table_rows, topic_keys
from .writer import SCHEMA, TABLES, ChaosWriter

SOURCE = """
name: chaos
connector.class: PostgresSource
topic.prefix: chaos
database: {{hostname: 127.0.0.1, port: {port}, user: postgres, password: none, dbname: source}}
snapshot.chunk.rows: 500
"""
VIEW = """
name: chaos-view
connector.class: PostgresSink
topics.regex: chaos\\.public\\..*
collection.name.format: ${{source.table}}
connection.url: {url}
connection.username: postgres
connection.password: none
"""
SAME_TABLES = {table: table for table in TABLES}


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with running(18, settings={"fsync": "on", "full_page_writes": "on"}) as server:
        yield server


@pytest.fixture
def worker(server: PostgresServer, tmp_path: Path) -> Iterator[WorkerProcess]:
    server.create_database("source")
    server.create_database("view")
    with server.connect("source") as connection:
        connection.execute(SCHEMA)
        connection.execute("INSERT INTO account SELECT n, 'owner ' || n, n, now() FROM generate_series(1, 20000) n")
        connection.execute("INSERT INTO entry SELECT n % 200, n, n / 7.0, 'x' FROM generate_series(1, 20000) n")
    (tmp_path / "source.yaml").write_text(SOURCE.format(port=server.port))
    (tmp_path / "view.yaml").write_text(VIEW.format(url=server.url("view")))
    worker = WorkerProcess([tmp_path / "source.yaml", tmp_path / "view.yaml"], tmp_path / "data")
    yield worker
    worker.kill()


def kill_something(worker: WorkerProcess, server: PostgresServer, chance: random.Random) -> str:
    what = chance.choice(["worker", "child", "child", "child", "server"])
    if what == "worker":
        worker.kill()
        worker.start()
    elif what == "child":
        if children := worker.children():
            os.kill(chance.choice(children), signal.SIGKILL)
    else:
        server.kill()
        server.start()
    return what


def patiently(call: Callable[[], object], timeout_s: float = 60) -> object:
    """The call again and again while the worker or the database is coming back."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return call()
        except (OSError, urllib.error.URLError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def wait_until_equal(server: PostgresServer, timeout_s: float = 180) -> Rows:
    deadline = time.monotonic() + timeout_s
    while True:
        source, view = table_rows(server.dsn("source"), SAME_TABLES), table_rows(server.dsn("view"), SAME_TABLES)
        if source == view:
            return source
        if time.monotonic() > deadline:
            for table in TABLES:
                missing = set(source[table]) - set(view[table])
                extra = set(view[table]) - set(source[table])
                differ = [k for k in source[table].keys() & view[table].keys() if source[table][k] != view[table][k]]
                print(f"{table}: {len(source[table])} rows at the source, {len(view[table])} in the view;")
                print(f"  missing {sorted(missing)[:5]}, extra {sorted(extra)[:5]}, different:")
                for key in differ[:5]:
                    print(f"  {str(source[table][key])[:300]}\n  {str(view[table][key])[:300]}")
            pytest.fail("the view does not become equal to the source")
        time.sleep(1)


def compare_everything(server: PostgresServer, worker: WorkerProcess) -> None:
    source = wait_until_equal(server)
    topics = topic_keys(worker.data, "chaos")
    assert {table: set(rows) for table, rows in topics.items()} == {table: set(rows) for table, rows in source.items()}
    verified = worker.command("verify", "chaos-view", "--source")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def run_chaos(worker: WorkerProcess, server: PostgresServer, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    writer = ChaosWriter(server.dsn("source"), seed)
    worker.start()
    writer.start()
    done: list[str] = []
    rebuilds = 0
    while len(done) < kills and writer.error is None:
        time.sleep(chance.uniform(0.3, 2.5))
        done.append(kill_something(worker, server, chance))
        if len(done) % max(kills // 3, 4) == 2:
            try:
                patiently(lambda: worker.request("POST", "/views/chaos-view/rebuild", {"keep": "10s"}))
                rebuilds += 1
            except urllib.error.HTTPError as error:
                assert error.code in (409, 503), error.read()
    counts = writer.stop()
    print(f"seed {seed}: killed {done}; {rebuilds} rebuilds asked for; committed {dict(counts)}")
    assert sum(counts.values()) > 10 * kills
    assert rebuilds > 0
    try:
        compare_everything(server, worker)
    except BaseException:
        print(worker.tail(20000))
        raise
    assert worker.stop() == 0


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_kill_20(worker: WorkerProcess, server: PostgresServer) -> None:
    run_chaos(worker, server, kills=20, seed=int(os.environ.get("CHAOS_SEED", random.randrange(10**6))))


@pytest.mark.chaos
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_kill_60(worker: WorkerProcess, server: PostgresServer) -> None:
    run_chaos(worker, server, kills=60, seed=int(os.environ.get("CHAOS_SEED", random.randrange(10**6))))
