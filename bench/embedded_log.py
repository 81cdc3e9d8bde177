"""Durable rows per second of the embedded log beside a bare `executemany` into SQLite, in one run.

`python bench/embedded_log.py [--rows N] [--batch N] [--value-bytes N] [--prefix-bytes N] [--folder DIR]`: both write
the same bytes, one fsync a batch, in turns, three times; the best of each counts. Reading is shown beside a bare
SELECT. Without sizes: small values, and change events with the 4.5 kB of schema that all of a table have in common.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from headwater.worker.api import TopicPartition
from headwater.worker.log import Message, open_log
from headwater.worker.log.embedded import FILE_NAME
from headwater.worker.log.embedded_format import PAGE_BYTES

HEADERS = (("headwater.version", b"123456789012"),)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--value-bytes", type=int, default=None)
    parser.add_argument("--prefix-bytes", type=int, default=0, help="the same in all values")
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    if given.value_bytes is None:
        compare(given, 150, 0)
        given.rows, given.batch = given.rows // 10, given.batch // 5
        compare(given, 5000, 4500)
    else:
        compare(given, given.value_bytes, given.prefix_bytes)


def compare(given: argparse.Namespace, value_bytes: int, prefix_bytes: int) -> None:
    prefix, rest = os.urandom(prefix_bytes), os.urandom(value_bytes - prefix_bytes + given.rows)
    rows = [
        (b'{"id":%d}' % number, prefix + rest[number : number + value_bytes - prefix_bytes])
        for number in range(given.rows)
    ]
    best: dict[str, float] = {}
    for _ in range(3):
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            for name, measured in {
                **raw_sqlite(Path(folder) / "raw.db", rows, given.batch),
                **embedded_log(Path(folder) / "log", rows, given.batch, given.partitions),
            }.items():
                best[name] = min(measured, best.get(name, measured))
    print(
        f"{given.rows:,} rows of {value_bytes} bytes, the first {prefix_bytes} the same, "
        f"{given.batch:,} a transaction, {given.partitions} partition(s)"
    )
    for what in ("write", "read"):
        raw, ours = given.rows / best[f"raw {what}"], given.rows / best[f"log {what}"]
        print(f"{what:5}  SQLite {raw:>10,.0f} rows/s   embedded log {ours:>10,.0f} rows/s   ratio {ours / raw:.2f}")
    raw, ours = best["raw bytes"] / 1e6, best["log bytes"] / 1e6
    print(f"file   SQLite {raw:>10,.1f} MB       embedded log {ours:>10,.1f} MB       ratio {ours / raw:.2f}")


def timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def raw_sqlite(path: Path, rows: list[tuple[bytes, bytes]], batch: int) -> dict[str, float]:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in (f"page_size={PAGE_BYTES}", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.execute("CREATE TABLE record (id INTEGER PRIMARY KEY, ms INTEGER, key BLOB, headers BLOB, value BLOB)")
    header = HEADERS[0][1]

    def write() -> None:
        for first in range(0, len(rows), batch):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO record VALUES (?, ?, ?, ?, ?)",
                [(first + n, 0, key, header, value) for n, (key, value) in enumerate(rows[first : first + batch])],
            )
            connection.execute("COMMIT")

    def read() -> None:
        for first in range(0, len(rows), batch):
            connection.execute("SELECT * FROM record WHERE id >= ? AND id < ?", (first, first + batch)).fetchall()

    result = {"raw write": timed(write), "raw read": timed(read)}
    connection.close()
    return result | {"raw bytes": path.stat().st_size}


def embedded_log(folder: Path, rows: list[tuple[bytes, bytes]], batch: int, partitions: int) -> dict[str, float]:
    log = open_log({}, folder)
    log.create_topic("bench", partitions, {})
    producer = log.producer("bench")
    producer.init_transactions()
    messages = [Message("bench", key, value, HEADERS, 0) for key, value in rows]

    def write() -> None:
        for first in range(0, len(messages), batch):
            producer.begin()
            producer.send(messages[first : first + batch])
            producer.commit()

    def read() -> None:
        consumer = log.consumer()
        consumer.assign({TopicPartition("bench", number): 0 for number in range(partitions)})
        count = 0
        while count < len(messages):
            count += len(consumer.poll(batch, 1.0))
        consumer.close()

    result = {"log write": timed(write), "log read": timed(read)}
    producer.close()
    log.close()
    return result | {"log bytes": (folder / FILE_NAME).stat().st_size}


if __name__ == "__main__":
    main()
