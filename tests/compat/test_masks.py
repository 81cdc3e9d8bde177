"""Masked, hashed and cut columns of every kind of type: the same values and schemas as Debezium writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Database

from .reading import ends
from .scene import Scene, wait_for
from .test_events import differences, events

pytestmark = pytest.mark.compat

# Without columns of type name: in the stream Debezium writes null for them.
TYPES = {
    "t": "text", "v": "varchar(20)", "c": "char(8)", "one": '"char"', "e": "mood", "dom": "short",
    "u": "uuid", "j": "jsonb", "ip": "inet", "by": "bytea", "i": "int4", "n": "numeric(6,2)", "d": "date",
    "ts": "timestamptz", "a": "text[]", "b": "bool",
}  # fmt: skip
ROWS = [
    {
        "t": "'gr\u00fc\u00df \U0001f60a und mehr Text'", "v": "'twelve chars'", "c": "'abc'",
        "one": "'z'", "e": "'glad'", "dom": "'domain'", "u": "'11111111-2222-3333-4444-555555555555'",
        "j": """'{"a": [1, null]}'""", "ip": "'10.0.0.1'", "by": r"'\x00ff7f0011223344'",
        "i": "1234567", "n": "1234.50", "d": "'2024-02-29'", "ts": "'2024-02-29 12:00:00.123456+01'",
        "a": """'{"a long text",NULL}'""", "b": "true",
    },
    {"t": "''", "v": "''", "c": "''"},
    {},
]  # fmt: skip
MASKS = {
    "column.mask.with.5.chars": r"public\.masked\..*",
    "column.mask.hash.SHA-256.with.salt.CzQMA0cB5K": r"public\.hashed\..*",
    "column.mask.hash.v2.MD5.with.salt.CzQMA0cB5K": r"public\.hashedagain\..*",
    "column.truncate.to.7.chars": r"public\.cut\.(?!i$|n$|d$|ts$|a$|b$|id$).*",
}
TABLES = ("masked", "hashed", "hashedagain", "cut")


def change_all(db: Any, first: int) -> None:
    for table in TABLES:
        for number, row in enumerate(ROWS, first):
            names, values = ", ".join(["id", *row]), ", ".join([str(number), *row.values()])
            db.execute(f"INSERT INTO {table} ({names}) VALUES ({values})")


def test_the_same_masks(database: Database, make_scene: Callable[[Database], Scene]) -> None:
    scene = make_scene(database)
    scene.topics = [f"{scene.name}.public.{table}" for table in TABLES]
    scene.config |= {"table.include.list": "public.*", "max.batch.size": "2048", "max.queue.size": "8192"} | MASKS
    count = len(TABLES) * len(ROWS)
    with database.connect() as db:
        db.execute("CREATE TYPE mood AS ENUM ('sad', 'glad')")
        db.execute("CREATE DOMAIN short AS varchar(10)")
        columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
        for table in TABLES:
            db.execute(f"CREATE TABLE {table} (id text PRIMARY KEY, {columns})")
        change_all(db, 1)
        scene.start_java()
        wait_for(lambda: ends(scene.kafka.bootstrap, scene.topics) >= count, "Debezium's snapshot")
        apart = {"name": f"{scene.name}-2", "slot.name": f"s2_{scene.name}", "toast.policy": "placeholder"}
        scene.configure_headwater({**scene.config, **apart})
        scene.headwater.start()
        wait_for(lambda: ends(scene.kafka.bootstrap, scene.topics) >= 2 * count, "Headwater's snapshot")
        change_all(db, 10)
        for table in TABLES:
            db.execute(f"UPDATE {table} SET i = 1, t = NULL WHERE id = '10'")
            db.execute(f"DELETE FROM {table} WHERE id = '11'")
            db.execute(f"INSERT INTO {table} (id) VALUES ('last')")
        last = b'"id":"last"'
        wait_for(lambda: sum(last in (raw.key or b"") for raw in scene.records()) == 2 * len(TABLES), "the last rows")
    records = scene.records()
    left = events([raw for raw in records if "headwater.version" in dict(raw.headers)])
    right = events([raw for raw in records if "headwater.version" not in dict(raw.headers)])
    assert left.keys() == right.keys() == set(scene.topics)
    found = differences(left, right)
    assert not found, "\n".join(found)
