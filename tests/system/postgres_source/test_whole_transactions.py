"""transaction.boundary=connector on Kafka: no transaction of the database is divided among the log's.

The end of a transaction takes an offset of its own in each partition it wrote to, so a gap tells where one ended.
"""

from __future__ import annotations

import secrets
from collections import Counter
from pathlib import Path

import orjson
import psycopg
import pytest

from headwater.worker.runtime.supervisor import Supervisor
from headwater.worker.runtime.task_spec import TaskSpec
from tests.conftest import Database
from tests.servers.kafka import KafkaServer
from tests.servers.process import kill_group
from tests.system.runtime.scene import Scene, eventually, kafka_settings, state_of, work

pytestmark = pytest.mark.system


def write(db: psycopg.Connection[tuple[object, ...]], sizes: list[int]) -> int:
    """One transaction of each size; how many rows."""
    for size in sizes:
        db.execute("INSERT INTO t (note) SELECT 'x' FROM generate_series(1, %s)", [size])
    return sum(sizes)


def test_transactions_of_the_database_are_whole(
    tmp_path: Path, database: Database, kafka: KafkaServer, supervisor: Supervisor
) -> None:
    group = f"w{secrets.token_hex(4)}"
    scene = Scene(tmp_path, 0, kafka_settings(kafka.bootstrap, group))
    raw = {
        "name": group, "connector.class": "PostgresSource", "topic.prefix": group, "slot.name": database.name,
        "database.hostname": "127.0.0.1", "database.port": str(database.server.port), "database.user": "postgres",
        "database.dbname": database.name, "max.batch.size": "20", "transaction.boundary": "connector",
        "restart.backoff.initial.ms": "50", "restart.backoff.max.ms": "200",
    }  # fmt: skip
    topic = f"{group}.public.t"
    with database.connect() as db:
        db.execute("CREATE TABLE t (id serial PRIMARY KEY, note text)")
        rows = write(db, [1])
        supervisor.run("source", work(TaskSpec(group, 0, 1, raw, settings=scene.settings, data_dir=str(scene.data))))
        eventually(lambda: len(scene.messages(topic)) == rows, 300)
        killed: set[int] = set()
        for _ in range(3):
            rows += write(db, [3, 700, 1, 1, 19, 20, 21, 300, 2])
            pid = eventually(lambda: {state_of(supervisor, group)["pid"]} - {None, *killed}).pop()
            killed.add(pid)
            kill_group(pid)
        rows += write(db, [50, 1])
        eventually(lambda: len(scene.messages(topic)) >= rows, 300)
    found = [m for m in scene.messages(topic) if m.value is not None]
    events = [orjson.loads(m.value or b"")["payload"] for m in found]
    assert Counter(event["after"]["id"] for event in events) == dict.fromkeys(range(1, rows + 1), 1)
    ended, before = 0, -1
    wrote: dict[int, set[int]] = {}
    for message, event in zip(found, events, strict=True):
        ended += message.offset != before + 1
        before = message.offset
        if event["op"] == "c":
            wrote.setdefault(event["source"]["txId"], set()).add(ended)
    assert not {tx: ends for tx, ends in wrote.items() if len(ends) > 1}
    assert ended > 10, "they are not all one transaction"
