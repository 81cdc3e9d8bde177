"""Records as a source would write them, made by hand, and a task of the view to give them to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwater.connectors.debezium.envelope import envelope, envelope_schema
from headwater.connectors.postgres.sink import PostgresSinkConnector
from headwater.connectors.postgres.sink.sink import PostgresSink
from headwater.worker.api import (
    Record,
    Schema,
    TopicPartition,
    Type,
    Values,
    primitive,
    struct,
)
from tests.conftest import Database
from tests.sink_task import SinkTask

TOPIC = "shop.public.orders"
PARTITION = TopicPartition(TOPIC, 0)
INT32, INT64, STRING = primitive(Type.INT32), primitive(Type.INT64), primitive(Type.STRING)
TEXT = primitive(Type.STRING, optional=True)
SOURCE = struct({"schema": STRING, "table": STRING})
KEY = struct({"id": INT32})
ROW = struct({"id": INT32, "name": TEXT, "qty": primitive(Type.INT32, optional=True)})


def values(database: Database, **options: str) -> Values:
    """Parsed options; `_` in a name stands for a dot."""
    raw: dict[str, str | None] = {"connection.url": database.url}
    raw |= {name.replace("_", "."): value for name, value in options.items()}
    parsed, problems = PostgresSinkConnector.options.parse(raw)
    problems += PostgresSinkConnector().validate(parsed)
    assert not problems, problems
    return parsed


class Topic:
    """Makes the records of one partition with rising offsets."""

    def __init__(
        self, row: Schema = ROW, key: Schema | None = KEY, topic: str = TOPIC, partition: int = 0, flat: bool = False
    ) -> None:
        self.row, self.key, self.name, self.partition, self.flat = row, key, topic, partition, flat
        self.next = 0
        self.schemas: dict[Schema, Schema] = {}

    def _record(self, key: Any, value: Any, schema: Schema | None, version: int | None) -> Record:
        offset, self.next = self.next, self.next + 1
        return Record(self.name, key, value, self.key, schema, version=version, partition=self.partition, offset=offset)

    def _key_of(self, row: Mapping[str, Any]) -> Any:
        return None if self.key is None else {field.name: row[field.name] for field in self.key.fields}

    def _event(self, op: str, before: Any, after: Any, key: Any, version: int | None) -> Record:
        schema = self.schemas.setdefault(self.row, envelope_schema(self.name, self.row, SOURCE))
        parts = self.name.split(".")
        value = envelope(op, before, after, {"schema": parts[1], "table": parts[-1]}, 0)
        return self._record(key, value, schema, version)

    def put(self, row: Mapping[str, Any], op: str = "c", version: int | None = None) -> Record:
        key = self._key_of(row)
        if self.flat:
            return self._record(key, dict(row), self.row, version)
        return self._event(op, None, dict(row), key, version)

    def delete(self, version: int | None = None, **key: Any) -> Record:
        return self._event("d", dict.fromkeys((f.name for f in self.row.fields), None) | key, None, key, version)

    def tombstone(self, **key: Any) -> Record:
        return self._record(key, None, None, None)

    def truncate(self) -> Record:
        return self._event("t", None, None, None, None)


class Task(SinkTask):
    """One task of the view; of one partition where none is named."""

    sink: PostgresSink

    def __init__(self, values: Values, *partitions: TopicPartition, **options: Any) -> None:
        super().__init__(PostgresSink(), values, *(partitions or (PARTITION,)), **options)

    def __enter__(self) -> Task:
        return self


def table(database: Database, name: str = "shop_public_orders", order: str = "1") -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return connection.execute(f'SELECT * FROM "{name}" ORDER BY {order}').fetchall()  # type: ignore[arg-type]
