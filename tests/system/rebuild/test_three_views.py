"""The whole product in one test: a database under write load, its topics, and three views of them, all rebuilt at once.

What stands in each view is read as its readers do, without Headwater, and compared with the database.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest

from tests.conftest import Database
from tests.live_writer import KEYED, SCHEMA, TABLES, LiveWriter
from tests.servers.elasticsearch import SearchServer
from tests.servers.postgres import PostgresServer
from tests.servers.worker import WorkerProcess
from tests.system.elasticsearch_sink.task import fresh

pytestmark = [pytest.mark.system, pytest.mark.long]

SOURCE = """
name: shop
connector.class: PostgresSource
topic.prefix: {prefix}
table.include.list: public.account,public.entry,public.document
database: {{hostname: 127.0.0.1, port: {port}, user: postgres, password: none, dbname: {name}}}
"""
VIEWS = {
    "tables": """
connector.class: PostgresSink
connection.url: {url}
connection.username: postgres
connection.password: none
""",
    "search": """
connector.class: ElasticsearchSink
connection.url: {search}
index.settings: '{{"number_of_replicas": 0}}'
""",
    "lake": """
connector.class: ParquetSink
path: {folder}/lake
view.mode: latest.state
rotate.schedule.interval.ms: 300
""",
}
TOPICS = """
name: {view}
topics.regex: {prefix}\\.public\\..*
"""
SLIM = """
transforms: unwrap, slim
transforms.unwrap.type: ExtractNewRecordState
transforms.unwrap.delete.tombstone.handling.mode: tombstone
transforms.slim.type: ReplaceField$Value
transforms.slim.exclude: owner, note, title
"""
COLUMNS = {
    "account": ["id", "owner", "balance"],
    "entry": ["account", "number", "amount", "note", "tags"],
    "document": ["id", "title", "body"],
}
DROPPED = {"owner", "note", "title"}
NUMBERS = {"balance", "amount"}
PATIENCE_S = 600

Content = dict[str, dict[tuple[Any, ...], dict[str, Any]]]
"""Of each table the rows by key; values that are not there are left out."""


class Scene:
    """The source, the worker, and where its views are read."""

    def __init__(self, source: Database, view: Database, search: SearchServer, folder: Path) -> None:
        self.source, self.view, self.search, self.folder = source, view, search, folder
        self.prefix = fresh("chain")
        # Readers of the index find a view by its topics' names; the view's own name is for the state beside it.
        self.names = {kind: f"{self.prefix}-{kind}" for kind in VIEWS}
        self._write("shop", SOURCE.format(port=source.server.port, name=source.name, prefix=self.prefix))
        for kind, name in self.names.items():
            text = TOPICS.format(view=name, prefix=self.prefix)
            text += VIEWS[kind].format(url=view.url, search=search.url, folder=folder)
            self._write(kind, text)
            self._write(f"{kind}-slim", text + SLIM)
        files = [folder / f"{name}.yaml" for name in ("shop", *VIEWS)]
        self.worker = WorkerProcess(files, folder / "data")
        self.readers: dict[str, Callable[[], Content]] = {
            "tables": lambda: database_rows(self.view, f"{self.prefix}_public_"),
            "search": self._documents,
            "lake": self._files,
        }

    def _write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.yaml").write_text(text)

    def _documents(self) -> Content:
        return {
            table: content(table, self.search.documents(f"{self.prefix}.public.{table}").values()) for table in KEYED
        }

    def _files(self) -> Content:
        try:
            named = json.loads((self.folder / "lake/current.json").read_text())["tables"]
        except FileNotFoundError:
            return {table: {} for table in KEYED}
        found: Content = {}
        for table in KEYED:
            files = named.get(f"{self.prefix}.public.{table}", {"files": []})["files"]
            found[table] = content(table, [row for file in files for row in pq.ParquetFile(file).read().to_pylist()])
        return found

    def wait_equal(self, without: set[str]) -> None:
        """Until each view holds what the database holds."""
        wanted: Content = {}
        for kind, read in self.readers.items():
            deadline = time.monotonic() + PATIENCE_S
            while True:
                wanted, found = database_rows(self.source), read()
                wanted = {
                    table: {key: {n: v for n, v in row.items() if n not in without} for key, row in rows.items()}
                    for table, rows in wanted.items()
                }
                if found == wanted:
                    break
                assert time.monotonic() < deadline, difference(kind, wanted, found) + self.worker.tail()
                time.sleep(0.5)

    def at_once(self, *arguments: str, slim: bool = False) -> dict[str, Any]:
        """The same command for all views at the same time; what each says."""
        with ThreadPoolExecutor(len(self.names)) as pool:
            return {kind: done.result() for kind, done in self.begun(pool, *arguments, slim=slim).items()}

    def begun(self, pool: ThreadPoolExecutor, *arguments: str, slim: bool = False) -> dict[str, Future[Any]]:
        command, *options = arguments
        return {
            kind: pool.submit(
                self.run, command, name, *options,
                *(["--config", str(self.folder / f"{kind}-slim.yaml")] if slim else []),
            )
            for kind, name in self.names.items()
        }  # fmt: skip

    def run(self, *arguments: str) -> Any:
        done = self.worker.command(*arguments, "--json", timeout_s=PATIENCE_S)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}{self.worker.tail()}"
        return json.loads(done.stdout)


def content(table: str, rows: Sequence[dict[str, Any]] | Any) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Numbers as `Decimal`, whatever a view makes of them."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        kept = {name: row[name] for name in COLUMNS[table] if row.get(name) is not None}
        kept |= {name: Decimal(str(kept[name])) for name in NUMBERS & set(kept)}
        key = tuple(row[name] for name in TABLES[table])
        assert key not in found, f"{table}: {key} is there twice"
        found[key] = kept
    return found


def database_rows(database: Database, prefix: str = "") -> Content:
    """A table that is not there has no rows."""
    found: Content = {}
    with psycopg.connect(database.dsn, row_factory=psycopg.rows.dict_row) as connection:
        for table in KEYED:
            there = connection.execute("SELECT to_regclass(%s) AS name", [f'public."{prefix}{table}"']).fetchone()
            assert there is not None
            rows = connection.execute(f'SELECT * FROM public."{prefix}{table}"') if there["name"] else ()  # type: ignore[arg-type]
            found[table] = content(table, rows)
    return found


def difference(kind: str, wanted: Content, found: Content) -> str:
    """For people: a few rows."""
    said = [f"the view {kind} does not become equal to the source"]
    for table in KEYED:
        keys = [k for k in {**wanted[table], **found[table]} if wanted[table].get(k) != found[table].get(k)]
        said += [
            f"{table} {key}: wanted {str(wanted[table].get(key))[:200]}, found {str(found[table].get(key))[:200]}"
            for key in keys[:3]
        ]
    return "\n".join([*said, ""])


@pytest.fixture
def scene(
    pg: PostgresServer,
    make_database: Callable[[PostgresServer], Database],
    elasticsearch: SearchServer,
    tmp_path: Path,
) -> Iterator[Scene]:
    source, view = make_database(pg), make_database(pg)
    with source.connect() as connection:
        connection.execute(SCHEMA.format(accounts=500, entries=800))  # type: ignore[call-overload]
        connection.execute(
            "INSERT INTO document SELECT n, 't', repeat(md5(n::text), 200) FROM generate_series(1, 200) n"
        )
    made = Scene(source, view, elasticsearch, tmp_path)
    made.worker.start()
    yield made
    made.worker.stop()


@pytest.mark.timeout(3600)
def test_rebuilt_at_the_same_time(scene: Scene) -> None:
    scene.wait_equal(set())
    writer = LiveWriter(scene.source.dsn, seed=5, pause_s=0.3)
    writer.start()
    try:
        with ThreadPoolExecutor(len(VIEWS)) as pool:
            rebuilds = scene.begun(pool, "rebuild", slim=True)
            while not all(done.done() for done in rebuilds.values()):
                for kind, read in scene.readers.items():
                    assert all(len(rows) > 50 for rows in read().values()), f"readers of {kind} miss rows"
                time.sleep(0.5)
        for kind, done in rebuilds.items():
            result = done.result()
            assert (result["outcome"], result["generation"]) == ("done", 2), (kind, result)
        assert all(said["result"]["equal"] for said in scene.at_once("verify", "--source").values())
    finally:
        counts = writer.stop()
    assert counts.total() > 20, counts
    scene.wait_equal(DROPPED)
    assert all(said["result"]["equal"] for said in scene.at_once("verify").values())
    assert all(said["generation"] == 1 for said in scene.at_once("rollback").values())
    scene.wait_equal(set())
    assert all(said["result"]["equal"] for said in scene.at_once("verify").values())
