"""The same changes, captured by Debezium and by Headwater at once, each over its own slot: the same events."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.conftest import Database

from .reading import Raw, ends
from .scene import Scene, wait_for

pytestmark = pytest.mark.compat

# Columns with a default may not be null here: docs/decisions/0002-postgres-values.md tells of the others.
TYPES = {
    "i2": "int2", "i4": "int4 NOT NULL DEFAULT 7", "i8": "int8", "f4": "float4", "f8": "float8", "n": "numeric(10,2)",
    "free": "numeric", "b": "bool NOT NULL DEFAULT true", "t": "text", "v": "varchar(20) NOT NULL DEFAULT 'none'",
    "c": "char(4)", "by": "bytea", "u": "uuid", "j": "json", "jb": "jsonb", "d": "date", "tm": "time(3)",
    "tu": "time(6)",
    "tz": "timetz", "ts": "timestamp(3)", "tsu": "timestamp", "tstz": "timestamptz", "iv": "interval", "bit1": "bit",
    "bits": "varbit(20)", "ai": "int[]", "at": "text[]", "e": "mood", "ip": "inet", "net": "cidr", "mac": "macaddr",
    "p": "point", "r": "int4range", "m": "money", "oid": "oid",
}  # fmt: skip
ROW = {
    "i2": "-3", "i4": "2147483647", "i8": "-9223372036854775808", "f4": "1.5", "f8": "2.25", "n": "12345678.90",
    "free": "0.000000000001", "b": "false", "t": "'gr\u00fc\u00df \U0001f60a'", "v": "'text'", "c": "'ab'",
    "by": r"'\x00ff7f'", "u": "'11111111-2222-3333-4444-555555555555'", "j": """'{"a": [1, null]}'""",
    "jb": """'{"b": 2.50}'""", "d": "'1969-07-20'", "tm": "'23:59:59.999'", "tu": "'01:02:03.000004'",
    "tz": "'10:00:00+02'", "ts": "'2024-02-29 12:00:00.123'", "tsu": "'1582-10-15 00:00:00.000001'",
    "tstz": "'2024-02-29 12:00:00.123456+01'", "iv": "'1 year 2 mons 3 days 04:05:06.789'", "bit1": "B'1'",
    "bits": "B'10101'", "ai": "'{1,NULL,3}'", "at": """'{"a b",NULL}'""", "e": "'glad'", "ip": "'10.0.0.1/8'",
    "net": "'10.0.0.0/8'", "mac": "'08:00:2b:01:02:03'", "p": "'(1.5,-2)'", "r": "'[1,5)'", "m": "'12.30'",
    "oid": "4294967295",
}  # fmt: skip
TABLES = ("alltypes", "byfull", "compound", "nokey")


def make_tables(db: Any) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    db.execute("CREATE TYPE mood AS ENUM ('sad', 'glad')")
    db.execute(f"CREATE TABLE alltypes (id int PRIMARY KEY, {columns})")
    db.execute(f"CREATE TABLE byfull (id int PRIMARY KEY, {columns})")
    db.execute("ALTER TABLE byfull REPLICA IDENTITY FULL")
    db.execute("CREATE TABLE compound (a int, b text, v text, big text, PRIMARY KEY (a, b))")
    db.execute("ALTER TABLE compound ALTER COLUMN big SET STORAGE EXTERNAL")
    db.execute("CREATE TABLE nokey (v text)")
    db.execute("ALTER TABLE nokey REPLICA IDENTITY FULL")
    change_all(db, 1)


def change_all(db: Any, first: int) -> None:
    names, values = ", ".join(ROW), ", ".join(ROW.values())
    for table in ("alltypes", "byfull"):
        db.execute(f"INSERT INTO {table} (id, {names}) VALUES ({first}, {values})")
        db.execute(f"INSERT INTO {table} (id) VALUES ({first + 1})")
    db.execute(f"INSERT INTO compound VALUES ({first}, 'k', 'v', repeat('x', 10000))")
    db.execute(f"INSERT INTO nokey VALUES ('n{first}')")


def update_all(db: Any) -> None:
    for table in ("alltypes", "byfull"):
        db.execute(f"UPDATE {table} SET i4 = 1, t = NULL WHERE id = 10")
        db.execute(f"UPDATE {table} SET id = 12 WHERE id = 11")
        db.execute(f"DELETE FROM {table} WHERE id = 10")
    with db.transaction():
        db.execute("UPDATE compound SET v = 'w'")  # the large value is not sent again
        db.execute("UPDATE compound SET b = 'other' WHERE a = 10")
        db.execute("DELETE FROM compound WHERE a = 10")
        db.execute("UPDATE nokey SET v = 'm'")
        db.execute("DELETE FROM nokey")
    db.execute("ALTER TABLE compound ADD COLUMN more int NOT NULL DEFAULT 5")
    db.execute("INSERT INTO compound (a, b) VALUES (99, 'z')")


def events(records: Sequence[Raw]) -> dict[str, list[Any]]:
    """What one of them wrote, by topic, without what must differ."""
    found: dict[str, list[Any]] = defaultdict(list)
    for raw in records:
        key = None if raw.key is None else json.loads(raw.key)
        value = None if raw.value is None else normal(json.loads(raw.value))
        if key is None and value is None:
            continue  # Debezium's tombstone of a row without a key, which tells nobody anything
        headers = [h for h in raw.headers if not h[0].startswith(("__debezium.context.", "headwater."))]
        found[raw.topic].append((key, value, headers))
    return dict(found)


def normal(value: Any) -> Any:
    event = value["payload"]
    for name in ("ts_ms", "ts_us", "ts_ns"):  # when it was handled
        event.pop(name)
    source = event["source"]
    source.pop("version")
    if source["snapshot"] != "false":  # each takes a snapshot of its own
        for name in ("ts_ms", "ts_us", "ts_ns", "lsn", "txId", "sequence"):
            source.pop(name)
    else:
        source["sequence"] = json.loads(source["sequence"])[1]  # checked apart: the first one depends on the slot
    return value


def test_the_same_events(database: Database, make_scene: Callable[[Database], Scene]) -> None:
    scene = make_scene(database)
    scene.topics = [f"{scene.name}.public.{table}" for table in TABLES]
    same = {"table.include.list": "public.*", "max.batch.size": "2048", "max.queue.size": "8192"}
    with database.connect() as db:
        make_tables(db)
        scene.config |= same
        scene.start_java()
        wait_for(lambda: ends(scene.kafka.bootstrap, scene.topics) >= 6, "Debezium's snapshot")
        apart = {"name": f"{scene.name}-2", "slot.name": f"s2_{scene.name}", "toast.policy": "placeholder"}
        scene.configure_headwater({**scene.config, **apart})
        scene.headwater.start()
        wait_for(lambda: ends(scene.kafka.bootstrap, scene.topics) >= 12, "Headwater's snapshot")
        change_all(db, 10)
        update_all(db)
        wait_for(lambda: sum(b'"a":99,' in (raw.value or b"") for raw in scene.records()) > 1, "the last row of both")
    records = scene.records()
    ours = [raw for raw in records if "headwater.version" in dict(raw.headers)]
    theirs = [raw for raw in records if "headwater.version" not in dict(raw.headers)]
    left, right = events(ours), events(theirs)
    assert left.keys() == right.keys() == set(scene.topics)
    found = differences(left, right)
    assert not found, "\n".join(found)
    # the end of the last commit before, as soon as one was met
    assert sequences(ours)[-5:] == sequences(theirs)[-5:]


def differences(mine: Any, its: Any, path: str = "") -> list[str]:
    """Where two JSON documents differ, each place with both values."""
    if isinstance(mine, dict) and isinstance(its, dict):
        names = [*its, *(name for name in mine if name not in its)]
        return [d for n in names for d in differences(mine.get(n), its.get(n), f"{path}.{n}")]
    if isinstance(mine, list | tuple) and isinstance(its, list | tuple) and len(mine) == len(its):
        return [d for n, pair in enumerate(zip(mine, its, strict=True)) for d in differences(*pair, f"{path}[{n}]")]
    return [] if mine == its and type(mine) is type(its) else [f"{path}: {mine!r}, Debezium's: {its!r}"]


def sequences(records: Sequence[Raw]) -> list[tuple[str, str]]:
    values = [json.loads(raw.value)["payload"] for raw in records if raw.value]
    return [(v["source"]["table"], v["source"]["sequence"]) for v in values if v["source"]["snapshot"] == "false"]
