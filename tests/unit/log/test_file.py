"""The embedded log's file: whose it is, its format, and what goes wrong with it."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from headwater.worker.api import HeadwaterError, Retriable, TopicPartition
from headwater.worker.log import LogError, Message, open_log
from headwater.worker.log.embedded_format import FORMAT
from headwater.worker.log.embedded_store import Store
from headwater.worker.log.storage_errors import network_file_system


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_new_folder_is_made_for_its_user_alone(tmp_path: Path) -> None:
    log = open_log({}, tmp_path / "a" / "b")
    log.close()
    log.close()
    assert (tmp_path / "a" / "b").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "a" / "b").iterdir())
    with pytest.raises(LogError, match="closed"):
        log.topics()


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE precious (id INTEGER)")
        other.commit()
    before = digest(path)
    with pytest.raises(LogError, match="something else made"):
        open_log({}, tmp_path)
    assert digest(path) == before


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_text("my thesis\n" * 1000)
    before = digest(path)
    with pytest.raises(LogError, match="damaged or not a log"):
        open_log({}, tmp_path)
    assert digest(path) == before


def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    open_log({}, tmp_path).close()
    path = tmp_path / "log.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    before = digest(path)
    with pytest.raises(LogError, match=f"format {FORMAT + 1}.*up to {FORMAT}"):
        open_log({}, tmp_path)
    assert digest(path) == before


def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    log = open_log({}, tmp_path)
    log.create_topic("t", 1, {})
    producer = log.producer()
    producer.send(Message("t", b"k", bytes(500)) for _ in range(2000))
    producer.close()
    log.close()
    path = tmp_path / "log.db"
    with path.open("r+b") as file:
        file.seek(16384)
        file.write(os.urandom(path.stat().st_size - 16384))
    with pytest.raises(LogError, match=r"log\.db"):
        again = open_log({}, tmp_path)
        consumer = again.consumer()
        consumer.assign({TopicPartition("t", 0): 0})
        consumer.poll(10, 1.0)


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match="--data"):
        open_log({}, tmp_path / "file" / "data")


def test_a_full_disk_is_retriable_and_loses_nothing(tmp_path: Path) -> None:
    log = open_log({}, tmp_path)
    log.create_topic("t", 1, {})
    log.close()
    store = Store(tmp_path / "log.db")
    ((pages,),) = store.read("PRAGMA page_count")
    store.read(f"PRAGMA max_page_count = {pages + 5}")

    def fill(rows: int) -> None:
        with store.write() as connection:
            for _ in range(rows):
                connection.execute("INSERT INTO record (timestamp_ms, value) VALUES (0, zeroblob(10000))")

    fill(1)
    with pytest.raises(Retriable, match=f"disk is full.*{tmp_path}"):
        fill(20)
    assert store.read("SELECT count(*) FROM record") == [(1,)]
    store.read(f"PRAGMA max_page_count = {pages + 5000}")
    fill(20)
    assert store.read("SELECT count(*) FROM record") == [(21,)]
    store.close()


def test_network_file_systems_are_refused(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"disk / ext4 rw 0 0\nserver:/export {tmp_path}/my\\040home nfs4 rw 0 0\n")
    assert network_file_system(tmp_path / "my home" / "data", mounts) == "nfs4"
    assert network_file_system(tmp_path / "elsewhere", mounts) is None
    assert network_file_system(tmp_path, tmp_path / "no such file") is None


def test_processes_that_make_the_file_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from headwater.worker.log import open_log, TopicExists\n"
        "log = open_log({}, pathlib.Path(sys.argv[1]))\n"
        "try: log.create_topic('t', 2, {}); print('made')\n"
        "except TopicExists: print('there')\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "data")], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = sorted(child.communicate()[0].strip() for child in children)
    assert said == ["made", "there", "there", "there"]


def test_the_write_ahead_log_stays_bounded_while_somebody_reads(tmp_path: Path) -> None:
    log = open_log({}, tmp_path)
    log.create_topic("t", 1, {})
    over = threading.Event()

    def read() -> None:
        consumer = log.consumer()
        consumer.assign({TopicPartition("t", 0): 0})
        while not over.is_set():
            consumer.poll(50, 0.01)
        consumer.close()

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    producer = log.producer()
    largest = 0
    for _ in range(60):
        producer.send(Message("t", b"k", os.urandom(5000)) for _ in range(400))
        producer.flush()
        largest = max(largest, (tmp_path / "log.db-wal").stat().st_size)
    over.set()
    for reader in readers:
        reader.join()
    producer.close()
    log.close()
    assert (tmp_path / "log.db").stat().st_size > 100_000_000
    assert largest < 80_000_000
    assert not (tmp_path / "log.db-wal").exists()


def test_waiting_costs_next_to_nothing(tmp_path: Path) -> None:
    log = open_log({}, tmp_path)
    log.create_topic("t", 1, {})
    consumer = log.consumer()
    consumer.assign({TopicPartition("t", 0): 0})
    began, used = time.monotonic(), time.thread_time()
    assert consumer.poll(1, 1.0) == []
    assert time.monotonic() - began < 60
    assert time.thread_time() - used < 0.3
    consumer.close()
    log.close()


def test_errors_are_ours(tmp_path: Path) -> None:
    """What SQLite raises never reaches the caller as it is."""
    store = Store(tmp_path / "log.db")
    with pytest.raises(HeadwaterError, match=r"log\.db"):
        store.read("SELECT * FROM nowhere")
    with pytest.raises(HeadwaterError), store.write() as connection:
        connection.execute("INSERT INTO counter VALUES ('catalog', 7)")
    assert store.read("SELECT value FROM counter WHERE name = 'catalog'") == [(1,)]
    store.close()
