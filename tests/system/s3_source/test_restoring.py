"""Bucket -> topic -> view again: what sinks stored comes back as the records that it was made of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.worker.api import TIMESTAMP, Fatal, Header, Record, Type, primitive, struct
from tests.system.parquet_sink.task import Task, rows, values
from tests.system.postgres_sink.records import INT32, KEY, TEXT, TOPIC, Topic

from .store import S3Driver, Store

pytestmark = pytest.mark.system

ROW = struct({"id": INT32, "name": TEXT, "at": primitive(Type.INT64, True, name=TIMESTAMP, version=1)})
AT = 1_767_322_445_123


def view(store: Store, **options: str) -> Any:
    return values(
        f"s3://{store.bucket}/in", **{name.replace(".", "_"): v for name, v in store.options.items()}, **options
    )


def restored(store: Store, **options: Any) -> S3Driver:
    return S3Driver(store, mode="VIEW", **options).start().drain()


def described(record: Record) -> tuple[Any, ...]:
    return record.topic, record.key, record.value, record.timestamp_ms, record.version, record.headers


def test_a_change_log(store: Store, tmp_path: Any) -> None:
    topic = Topic(row=ROW)
    text = Header("origin", "é", primitive(Type.STRING))
    records = [topic.put({"id": n, "name": f"n{n}", "at": AT + n}, version=n + 1) for n in range(20)]
    records += [topic.put({"id": 3, "name": None, "at": None}, "u", 30), topic.delete(id=4, version=31)]
    records = [record.replace(timestamp_ms=AT + n, headers=(text, Header("raw", b"\x00\xff")))
               for n, record in enumerate(records)]  # fmt: skip
    options = {"metadata_columns": "key,version,headers"}
    with Task(view(store, **options)) as task:
        task.put(*records[:10])
        task.put(*records[10:])
    driver = restored(store, record_batch_max_size=6)
    wanted = [(TOPIC, record.key, record.value["after"], record.timestamp_ms, record.version, record.headers)
              for record in records]  # fmt: skip
    assert [described(record) for record in driver.log] == wanted
    assert {record.key_schema for record in driver.log} == {KEY}
    back = driver.log[0].value_schema
    assert back is not None and [(f.name, f.schema.type, f.schema.name) for f in back.fields] == [
        (f.name, f.schema.type, f.schema.name) for f in ROW.fields
    ]
    with Task(values(tmp_path / "again", view_mode="latest.state")) as task:
        task.put(*(record.replace(partition=0, offset=n) for n, record in enumerate(driver.log)))
    with Task(values(tmp_path / "first", view_mode="latest.state")) as task:
        task.put(*records)
    assert rows(tmp_path / "again") == rows(tmp_path / "first")
    driver.die()


def test_it_follows_the_view(moto_store: Store) -> None:
    topic = Topic(flat=True)
    driver = S3Driver(moto_store, mode="VIEW").start().drain()
    with Task(view(moto_store)) as task:
        for n in range(5):
            task.put(topic.put({"id": n, "name": "a", "qty": 1}))
            driver.until(lambda n=n: len(driver.log) == n + 1)
            if n == 2:
                driver.die().start()
    assert [record.value["id"] for record in driver.log] == list(range(5))
    driver.die()


def test_orphans_are_not_read(moto_store: Store) -> None:
    topic = Topic(flat=True)
    with Task(view(moto_store)) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}))
        names = moto_store.client.list_objects_v2(Bucket=moto_store.bucket, Prefix="in/g1/data/")["Contents"]
        body = moto_store.client.get_object(Bucket=moto_store.bucket, Key=names[0]["Key"])["Body"].read()
        moto_store.put(names[0]["Key"].replace("+", "+orphan", 1), body)
    driver = restored(moto_store)
    assert [record.value["id"] for record in driver.log] == [1]
    driver.die()


def test_a_latest_state(store: Store) -> None:
    topic = Topic(row=ROW)
    with Task(view(store, view_mode="latest.state", latest_file_rows="10")) as task:
        task.put(*(topic.put({"id": n, "name": f"n{n}", "at": AT}) for n in range(50)))
        task.put(topic.delete(id=7), topic.put({"id": 8, "name": "new", "at": None}))
        wanted = {n: f"n{n}" for n in range(50) if n != 7} | {8: "new"}
        driver = restored(store)
    assert {record.key["id"]: record.value["name"] for record in driver.log} == wanted
    assert {(record.topic, record.key_schema) for record in driver.log} == {(TOPIC, KEY)}
    driver.die()


@pytest.mark.parametrize("restarted", [False, True])
def test_a_view_that_was_rebuilt_is_not_mixed_with_the_old_one(moto_store: Store, restarted: bool) -> None:
    """By no task, also none that has read nothing of it."""
    topic = Topic(flat=True)
    with Task(view(moto_store)) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}))
        drivers = [restored(moto_store, task={"task.index": str(n), "task.count": "2"}) for n in range(2)]
        assert sorted(len(driver.log) for driver in drivers) == [0, 1]
        pointer = moto_store.client.get_object(Bucket=moto_store.bucket, Key="in/current.json")["Body"].read()
        moved = pointer.replace(b"/g1/", b"/g2/").replace(b'"generation":1', b'"generation":2')
        for item in moto_store.client.list_objects_v2(Bucket=moto_store.bucket, Prefix="in/")["Contents"]:
            if "g1/" in item["Key"]:
                source = {"Bucket": moto_store.bucket, "Key": item["Key"]}
                new = item["Key"].replace("g1/", "g2/")
                moto_store.client.copy_object(Bucket=moto_store.bucket, Key=new, CopySource=source)
        moto_store.put("in/current.json", moved)
    stored = drivers[0].stored | drivers[1].stored
    for driver in drivers:
        if restarted:
            driver.stored = stored
            driver.die().start()
        with pytest.raises(Fatal, match="was rebuilt: it is generation 2 now, and rows of generation 1"):
            driver.drain()
        driver.die()


@pytest.mark.parametrize("types", ["", "n:int64, p:int64"])
def test_what_confluents_sink_wrote(store: Store, types: str) -> None:
    """`types` is about values alone."""
    for partition in range(2):
        for first in (0, 3):
            base = f"topics/orders/partition={partition}/orders+{partition}+{first:010}"
            part = range(first, first + 3)
            store.put(f"{base}.json", "".join(f'{{"n":{n},"p":{partition}}}\n' for n in part))
            store.put(f"{base}.keys.json", "".join(f'"k{n}"\n' for n in part))
            headers = [[{"key": "h", "value": f"v{n}"}, {"key": "x", "value": "1"}] for n in part]
            store.put(f"{base}.headers.json", "".join(f"{json.dumps(line)}\n" for line in headers))
    raw = {"s3.bucket.name": store.bucket, "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
           "store.kafka.keys": "true", "store.kafka.headers": "true", "path": "", "types": types}  # fmt: skip
    driver = S3Driver(store, raw=raw, mode="RESTORE_BACKUP", record_batch_max_size=2).start()
    while len(driver.log) < 12:
        driver.one_batch().die().start()
    driver.drain()
    string = primitive(Type.STRING)
    assert [described(record) for record in driver.log] == [
        ("orders", f"k{n}", {"n": n, "p": partition}, None, None,
         (Header("h", f"v{n}", string), Header("x", "1", string)))
        for partition in range(2) for n in range(6)
    ]  # fmt: skip
    driver.die()
