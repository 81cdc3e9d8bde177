"""Rows of objects: all formats, from any row on, of exactly the object that was found."""

from __future__ import annotations

import gzip
import io
import json
import logging

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.worker.api import DataError, Fatal

from .store import S3Driver, Store

pytestmark = pytest.mark.system

ROWS = [{"id": n, "name": f"é {n}"} for n in range(25)]


def content(format: str) -> bytes:
    if format == "lines":
        return "".join(f"{row['id']} {row['name']}\n" for row in ROWS).encode()
    if format == "csv":
        return gzip.compress("\n".join(["id,name", *(f"{row['id']},{row['name']}" for row in ROWS)]).encode())
    if format == "jsonl":
        return "\n".join(json.dumps(row) for row in ROWS).encode()
    sink = io.BytesIO()
    if format == "avro":
        fields = [{"name": "id", "type": "int"}, {"name": "name", "type": "string"}]
        fastavro.writer(sink, {"type": "record", "name": "r", "fields": fields}, ROWS, sync_interval=100)
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), sink, row_group_size=10)
    return sink.getvalue()


@pytest.mark.parametrize("format", ["lines", "csv", "jsonl", "avro", "parquet"])
def test_from_any_row_on(store: Store, format: str) -> None:
    store.put("in/a", content(format))
    store.put("in/b/c", content(format))
    store.put("in/empty", b"" if format in ("lines", "jsonl", "csv") else content(format))
    types = {"types": "id:int32, name:string"} if format == "csv" else {}
    options = {"format": format, "record_batch_max_size": 9, **types}
    driver = S3Driver(store, **options).start()
    while len(driver.log) < 50:
        driver.one_batch().die().start()
    driver.drain()
    objects = 3 if format in ("avro", "parquet") else 2
    wanted = [f"{row['id']} {row['name']}" if format == "lines" else row for row in ROWS]
    assert driver.lines == wanted * objects
    assert [header.value for header in driver.log[26].headers] == [
        f"s3://{store.bucket}/in/b/c",
        driver.log[1].headers[1].value,
    ]
    assert driver.objects == ["in/a", "in/b/c", "in/empty"]
    driver.die()


def test_keys_and_times_of_fields(moto_store: Store) -> None:
    moto_store.put("in/a", '{"id": 1, "at": 1767322445000}\n{"id": 2, "at": "2026-01-02T03:04:05Z"}\n{"id": 3}\n')
    driver = S3Driver(moto_store, format="jsonl", key_fields="id", timestamp_field="at").start().drain()
    assert [(record.key, record.timestamp_ms) for record in driver.log] == [
        ({"id": 1}, 1_767_322_445_000), ({"id": 2}, 1_767_323_045_000), ({"id": 3}, None)
    ]  # fmt: skip
    assert driver.source.topic("t").config["retention.ms"] == "-1"  # it would go by those times
    driver.die()


def test_large_objects_in_pieces(store: Store) -> None:
    lines = [f"{n:07} {'x' * 500}" for n in range(25_000)]
    store.put("in/large", "\n".join(lines))
    driver = S3Driver(store, format="lines", record_batch_max_size=10_000).start()
    driver.until(lambda: len(driver.log) >= 10_000).die().start().drain()
    assert driver.lines == lines
    driver.die()


@pytest.mark.parametrize("on_change", ["read", "ignore", "fail"])
def test_an_object_that_was_replaced(store: Store, on_change: str, caplog: pytest.LogCaptureFixture) -> None:
    store.put("in/a", "1\n2\n")
    options = {"format": "lines", "on_change": on_change, "listing_full_interval_ms": 0}
    driver = S3Driver(store, **options).start().drain()
    store.put("in/a", "3\n4\n5\n")
    if on_change == "fail":
        with pytest.raises(Fatal, match="in/a was replaced after all of it had been read"):
            driver.drain()
    else:
        with caplog.at_level(logging.WARNING):
            driver.until(lambda: "was replaced" in caplog.text).drain()
        assert driver.lines == (["1", "2", "3", "4", "5"] if on_change == "read" else ["1", "2"])
    driver.die().start()
    if on_change == "ignore":
        driver.drain()
        assert driver.lines == ["1", "2"]
    driver.die()


def test_an_object_that_is_replaced_while_it_is_read(store: Store) -> None:
    old, new = ([f"{name} {n} {'x' * 500}" for n in range(20_000)] for name in ("old", "new"))
    store.put("in/a", "\n".join(old))
    driver = S3Driver(store, format="lines", record_batch_max_size=1_000).start()
    driver.until(lambda: len(driver.log) >= 1_000)
    store.put("in/a", "\n".join(new))
    driver.drain()
    begun = driver.lines.index(new[0])
    assert driver.lines == old[:begun] + new
    driver.die()


def test_an_object_that_is_deleted_while_it_is_read(store: Store) -> None:
    lines = [f"{n} {'x' * 500}" for n in range(20_000)]
    store.put("in/a", "\n".join(lines))
    store.put("in/b", "last\n")
    driver = S3Driver(store, format="lines", record_batch_max_size=1_000).start()
    driver.until(lambda: len(driver.log) >= 1_000)
    store.delete("in/a")
    driver.drain()
    assert driver.lines[-1] == "last" and driver.lines[:-1] == lines[: len(driver.lines) - 1]
    driver.die()


def test_bad_rows(moto_store: Store) -> None:
    moto_store.put("in/a", '{"id": 1}\nno JSON\n{"id": 2}\n')
    driver = S3Driver(moto_store, format="jsonl").start()
    where = f"s3://{moto_store.bucket}/in/a, line 2: the row is not JSON"
    with pytest.raises(DataError, match=where):
        driver.drain()
    driver.die().start(tolerant=True).drain()
    assert driver.lines == [{"id": 1}, {"id": 2}]
    assert [str(error).partition(": ")[0] for _, error in driver.bad] == [where.partition(": ")[0]]
    driver.die()


def test_a_damaged_object_costs_its_rest_alone(moto_store: Store) -> None:
    packed = gzip.compress(b"1\n2\n" * 100_000, 0)
    moto_store.put("in/a", packed[: len(packed) // 2])
    moto_store.put("in/b", "whole\n")
    driver = S3Driver(moto_store, format="lines").start(tolerant=True).drain()
    assert driver.lines[-1] == "whole"
    assert ["cut off" in str(error) for _, error in driver.bad] == [True]
    driver.die()
