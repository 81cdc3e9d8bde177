"""Topics and partitions of the embedded log."""

from __future__ import annotations

import re
import sqlite3
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from headwater.worker.api import TopicPartition

from .contract import LogError, TopicExists, TopicInfo, UnknownTopic
from .embedded_format import OFFSET_BITS
from .embedded_store import Store
from .topic_config import TopicSettingsParsed, parse_topic_config

_NAME: Final = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_LAST_PARTITION_ID: Final = (1 << (63 - OFFSET_BITS)) - 1


@dataclass(frozen=True, slots=True)
class Topic:
    """`partition_ids[n]` is partition n's id in the file."""

    info: TopicInfo
    settings: TopicSettingsParsed
    partition_ids: tuple[int, ...]


class Catalog:
    """What one connection knows of the topics; read anew only when some process has changed them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.version = 0
        self._topics: dict[str, Topic] = {}

    def refresh(self) -> bool:
        """Whether topics were made, altered or deleted since the last call."""
        ((version,),) = self._store.read("SELECT value FROM counter WHERE name = 'catalog'")
        if version == self.version:
            return False
        rows = self._store.read(
            "SELECT t.name, t.topic_id, t.config, (SELECT group_concat(p.id) FROM "
            "(SELECT id FROM partition WHERE topic = t.id ORDER BY number) p) FROM topic t ORDER BY t.name"
        )
        self._topics = {name: _topic(name, topic_id, config, ids) for name, topic_id, config, ids in rows}
        self.version = version
        return True

    def topics(self) -> Mapping[str, Topic]:
        """As of the last `refresh`, sorted by name."""
        return self._topics

    def topic(self, name: str) -> Topic:
        """Raises `UnknownTopic`; asks the file before it does."""
        topic = self._topics.get(name)
        if topic is None:
            self.refresh()
            topic = self._topics.get(name)
            if topic is None:
                raise UnknownTopic(f"topic {name} does not exist in the embedded log {self._store.path}")
        return topic

    def partition_id(self, partition: TopicPartition) -> int:
        """Raises `UnknownTopic`."""
        ids = self.topic(partition.topic).partition_ids
        if not 0 <= partition.partition < len(ids):
            raise UnknownTopic(f"{partition} does not exist: topic {partition.topic} has {len(ids)} partition(s)")
        return ids[partition.partition]

    def create(self, name: str, partitions: int, config: Mapping[str, str]) -> None:
        """Raises `TopicExists`, `LogError`."""
        if not _NAME.fullmatch(name) or name in (".", ".."):
            raise LogError(f"topic name {name!r} is not possible: 1 to 249 of a-z, A-Z, 0-9, '.', '_', '-'")
        if partitions < 1:
            raise LogError(f"topic {name}: {partitions} partitions are not possible, at least 1")
        parse_topic_config(name, config)
        with self._store.write() as connection:
            if connection.execute("SELECT 1 FROM topic WHERE name = ?", (name,)).fetchall():
                raise TopicExists(f"topic {name} exists already in the embedded log {self._store.path}")
            key = connection.execute(
                "INSERT INTO topic (name, topic_id, config, created_ms) VALUES (?, ?, ?, ?)",
                (name, str(uuid.uuid4()), orjson.dumps(dict(config)).decode(), time.time_ns() // 1_000_000),
            ).lastrowid
            connection.executemany(
                "INSERT INTO partition (topic, number) VALUES (?, ?)", [(key, number) for number in range(partitions)]
            )
            ((largest,),) = connection.execute("SELECT max(id) FROM partition").fetchall()
            if largest > _LAST_PARTITION_ID:
                raise LogError(f"topic {name}: the embedded log has used up its {_LAST_PARTITION_ID} partition ids")
            _bump(connection)

    def alter(self, name: str, config: Mapping[str, str | None]) -> None:
        """Set options, or with None take them away. Raises `UnknownTopic`, `LogError`."""
        with self._store.write() as connection:
            rows = connection.execute("SELECT id, config FROM topic WHERE name = ?", (name,)).fetchall()
            if not rows:
                raise UnknownTopic(f"topic {name} does not exist in the embedded log {self._store.path}")
            ((key, text),) = rows
            changed = {**orjson.loads(text), **config}
            kept = {option: value for option, value in changed.items() if value is not None}
            parse_topic_config(name, kept)
            connection.execute("UPDATE topic SET config = ? WHERE id = ?", (orjson.dumps(kept).decode(), key))
            _bump(connection)

    def delete(self, name: str) -> None:
        """Gone at once for everybody; `Maintenance` removes the records later. Raises `UnknownTopic`."""
        with self._store.write() as connection:
            rows = connection.execute("SELECT id FROM topic WHERE name = ?", (name,)).fetchall()
            if not rows:
                raise UnknownTopic(f"topic {name} does not exist in the embedded log {self._store.path}")
            ids = connection.execute("SELECT id FROM partition WHERE topic = ?", rows[0]).fetchall()
            for statement in (
                "DELETE FROM group_offset WHERE partition = ?",
                "DELETE FROM cleaned WHERE partition = ?",
                "INSERT INTO garbage VALUES (?)",
                "DELETE FROM partition WHERE id = ?",
            ):
                connection.executemany(statement, ids)
            connection.execute("DELETE FROM topic WHERE id = ?", rows[0])
            _bump(connection)

    def offsets(self, column: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """`column`: begin_offset or end_offset. Raises `UnknownTopic`."""
        wanted = {partition: self.partition_id(partition) for partition in partitions}
        found = dict(self._store.read(f"SELECT id, {column} FROM partition WHERE id IN {in_list(wanted.values())}"))  # noqa: S608
        missing = [partition for partition, key in wanted.items() if key not in found]
        if missing:
            raise UnknownTopic(f"topic {missing[0].topic} does not exist in the embedded log {self._store.path}")
        return {partition: found[key] for partition, key in wanted.items()}


def in_list(ids: Iterable[int]) -> str:
    """`(1,2,3)` for an SQL IN; whole numbers only, so that nothing needs quoting."""
    return f"({','.join(str(int(key)) for key in ids)})"


def _bump(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE counter SET value = value + 1 WHERE name = 'catalog'")


def _topic(name: str, topic_id: str, config: str, ids: str) -> Topic:
    given: dict[str, Any] = orjson.loads(config)
    numbers = tuple(int(key) for key in ids.split(","))
    return Topic(TopicInfo(name, topic_id, len(numbers), given), parse_topic_config(name, given), numbers)
