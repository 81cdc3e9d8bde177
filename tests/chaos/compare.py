"""Source, topics and view, row by row: three independent readings of the same state."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import psycopg
from psycopg import sql

from headwater.worker.api import VERSION_HEADER, TopicPartition
from headwater.worker.log import open_log

from .writer import TABLES

Rows = dict[str, dict[tuple[object, ...], tuple[object, ...]]]


def table_rows(dsn: str, names: dict[str, str]) -> Rows:
    """Whole tables by key; every value as the database's text."""
    rows: Rows = {}
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        for table, name in names.items():
            found = connection.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
                "AND attname NOT LIKE '\\_\\_%%' ORDER BY 1",
                [f'public."{name}"'],
            )
            columns = [str(column) for (column,) in found]
            keys = [columns.index(key) for key in TABLES[table]]
            texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column)) for column in columns)
            cursor = connection.execute(sql.SQL("SELECT {} FROM {}").format(texts, sql.Identifier("public", name)))
            rows[table] = {tuple(row[i] for i in keys): tuple(row) for row in cursor}
    return rows


def topic_keys(data: Path, prefix: str) -> dict[str, dict[tuple[object, ...], dict[str, Any]]]:
    """The latest value of each key of each table's topic, tombstones taken away.

    On the way: no change stands twice in a topic (exactly once), and versions never fall for one key (in order).
    """
    log = open_log({}, data)
    latest: dict[str, dict[tuple[object, ...], dict[str, Any]]] = {}
    try:
        for table, key_columns in TABLES.items():
            rows = latest[table] = {}
            seen: set[tuple[object, ...]] = set()
            versions: dict[tuple[object, ...], int] = {}
            for message in read_all(log, f"{prefix}.public.{table}"):
                key = tuple(str(orjson.loads(message.key)["payload"][column]) for column in key_columns)
                version = int(dict(message.headers)[VERSION_HEADER])
                value = None if message.value is None else orjson.loads(message.value)["payload"]
                if value is not None and value["op"] != "r":
                    change = (key, value["op"], value["source"]["lsn"], value["source"]["txId"])
                    assert change not in seen, f"{message.topic}@{message.offset}: {change} stands twice"
                    seen.add(change)
                    assert version >= versions.get(key, 0), f"{message.topic}@{message.offset}: the version fell"
                    versions[key] = version
                if value is None or value["op"] == "d":
                    rows.pop(key, None)
                else:
                    rows[key] = value["after"]
    finally:
        log.close()
    return latest


def read_all(log: Any, topic: str) -> Iterable[Any]:
    info = log.topics([topic])[topic]
    partitions = [TopicPartition(topic, number) for number in range(info.partitions)]
    end = log.end_offsets(partitions)
    consumer = log.consumer()
    consumer.assign(log.begin_offsets(partitions))
    try:
        while any(offset < end[tp] for tp, offset in consumer.position().items()):
            yield from consumer.poll(5000, 1.0)
    finally:
        consumer.close()
