"""A person is deleted by deleting a key: from the log as it lies on disk, and from a view that is built anew."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from secrets import token_hex
from typing import Any

import psycopg
import pytest

from headwater.transforms.encrypt_fields import EncryptFields
from headwater.worker.api import DataError, Fatal, Record
from tests.conftest import Database
from tests.servers.postgres import PostgresServer
from tests.servers.worker import WorkerProcess

pytestmark = pytest.mark.system

MASTER = b64encode(b"m" * 32).decode()
SCHEMA = """
CREATE TABLE person (id int PRIMARY KEY, name text NOT NULL, born date, note text);
ALTER TABLE person REPLICA IDENTITY FULL;
INSERT INTO person
    SELECT n, 'Person-' || n || '-Name', date '1970-01-01' + n, 'noted ' || n FROM generate_series(1, 20) n;
"""
SOURCE = """
name: people
connector.class: PostgresSource
topic.prefix: shop
database: {{hostname: 127.0.0.1, port: {port}, user: postgres, password: none, dbname: {name}}}
transforms: hide
transforms.hide.type: EncryptFields
transforms.hide.fields: name, born
transforms.hide.subject: id
transforms.hide.keys.url: {keys}
transforms.hide.master.key: ${{env:MASTER_KEY}}
"""
VIEW = """
name: people-view
connector.class: PostgresSink
topics: shop.public.person
connection.url: {view}
connection.username: postgres
connection.password: none
transforms: unwrap, open, table
transforms.unwrap.type: ExtractNewRecordState
transforms.open.type: DecryptFields
transforms.open.keys.url: {keys}
transforms.open.master.key: ${{env:MASTER_KEY}}
transforms.open.key.cache.ms: 100
transforms.table.type: RegexRouter
transforms.table.regex: .*
transforms.table.replacement: person
"""


@pytest.fixture
def databases(pg: PostgresServer, make_database: Callable[[PostgresServer], Database]) -> list[Database]:
    """Of the source, the keys, the view."""
    found = [make_database(pg) for _ in range(3)]
    with found[0].connect() as connection:
        connection.execute(SCHEMA)
    return found


@pytest.fixture
def worker(databases: list[Database], tmp_path: Path) -> Iterator[WorkerProcess]:
    source, keys, view = databases
    (tmp_path / "people.yaml").write_text(SOURCE.format(port=source.server.port, name=source.name, keys=keys.url))
    (tmp_path / "view.yaml").write_text(VIEW.format(view=view.url, keys=keys.url))
    files = [tmp_path / "people.yaml", tmp_path / "view.yaml"]
    worker = WorkerProcess(files, tmp_path / "data", {"MASTER_KEY": MASTER})
    worker.start()
    yield worker
    worker.stop()


def rows(database: Database) -> dict[int, tuple[Any, ...]]:
    try:
        with database.connect() as connection:
            found = connection.execute("SELECT id, name, born::text, note FROM person").fetchall()
            return {int(str(row[0])): row[1:] for row in found}
    except psycopg.errors.UndefinedTable:
        return {}


def wait_for(condition: Callable[[], object], worker: WorkerProcess) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, worker.tail()
        time.sleep(0.2)


def on_disk(folder: Path, text: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


def test_a_person_is_gone_from_the_log_and_a_rebuilt_view(
    databases: list[Database], worker: WorkerProcess, tmp_path: Path
) -> None:
    source, keys, view = databases
    wait_for(lambda: rows(view) == rows(source), worker)
    with source.connect() as connection:
        connection.execute("UPDATE person SET name = 'Person-7-Married' WHERE id = 7")
    wait_for(lambda: rows(view) == rows(source), worker)
    assert on_disk(worker.data, b"noted 7") and not on_disk(worker.data, b"Person-")

    with keys.connect() as connection:
        connection.execute("UPDATE headwater_subject_keys SET wrapped = NULL WHERE subject = '7'")
    done = worker.command("rebuild", "people-view", "--keep", "0", "--json")
    assert done.returncode == 0, done.stdout + done.stderr + worker.tail()
    expected = rows(source) | {7: (None, None, "noted 7")}
    wait_for(lambda: rows(view) == expected, worker)
    verified = worker.command("verify", "people-view", "--json")
    assert verified.returncode == 0 and json.loads(verified.stdout)["result"]["equal"], verified.stdout

    with view.connect() as connection:  # a row that differs is named, and not shown: the job's record is on the log
        connection.execute("UPDATE person SET note = 'by hand' WHERE id = 9")
    verified = worker.command("verify", "people-view", "--json")
    assert json.loads(verified.stdout)["result"]["examples"] == ["public.person: row id=9 differs"], verified.stdout
    assert not on_disk(worker.data, b"Person-")
    with view.connect() as connection:
        connection.execute("UPDATE person SET note = 'noted 9' WHERE id = 9")

    with source.connect() as connection:  # what comes later finds no key either
        connection.execute("UPDATE person SET note = 'later' WHERE id IN (7, 8)")
    expected |= {7: (None, None, "later"), 8: (*expected[8][:2], "later")}
    wait_for(lambda: rows(view) == expected, worker)


def encrypting(keys: Database, **options: str) -> EncryptFields:
    transform = EncryptFields()
    given = {"fields": "name", "subject": "id", "keys.url": keys.url, "master.key": MASTER} | options
    values, problems = EncryptFields.options.parse(given)
    assert not problems
    transform.configure(values)
    return transform


def test_errors_of_the_table_of_keys_quote_no_values(databases: list[Database]) -> None:
    keys = databases[1]
    transform = encrypting(keys)
    try:
        transform.apply(Record("t", None, {"id": "ada", "name": "Ada"}))
        with keys.connect() as connection:
            connection.execute("ALTER TABLE headwater_subject_keys ADD CHECK (subject NOT LIKE 'grace%')")
        with pytest.raises(Fatal, match="check constraint") as caught:
            transform.apply(Record("t", None, {"id": "grace-hopper", "name": "Grace"}))
        assert "hopper" not in str(caught.value)
    finally:
        transform.close()


def test_what_the_index_of_the_keys_cannot_hold_blames_the_record(databases: list[Database]) -> None:
    """It is no outage, which would be waited for."""
    transform = encrypting(databases[1], **{"subject.scope": token_hex(4_000)})
    try:
        with pytest.raises(DataError, match="cannot hold the subject: index row size"):
            transform.apply(Record("t", None, {"id": 1, "name": "Ada"}))
    finally:
        transform.close()


def test_tasks_that_make_the_same_keys_at_once(databases: list[Database]) -> None:
    keys = databases[1]

    def encrypt(task: int) -> list[str]:
        transform = encrypting(keys)
        try:
            return [transform.apply(Record("t", None, {"id": n, "name": "Anna"})).value["name"] for n in range(100)]
        finally:
            transform.close()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(encrypt, range(4)))
    assert all(one == found[0] for one in found) and len(set(found[0])) == 100
    with keys.connect() as connection:
        assert connection.execute("SELECT count(*) FROM headwater_subject_keys").fetchone() == (100,)
