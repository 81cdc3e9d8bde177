"""Rows of one table -> records: Debezium's change events, tombstones and headers.

Source: io.debezium.relational.RelationalChangeRecordEmitter and io.debezium.pipeline.EventDispatcher of Debezium 3.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from headwater.connectors.debezium.envelope import CREATE, DELETE, READ, TRUNCATE, UPDATE, envelope, envelope_schema
from headwater.connectors.debezium.source_block import POSTGRES_SOURCE_SCHEMA, SNAPSHOT_FALSE, SourceBlock
from headwater.worker.api import Header, Record, TopicSettings, Type, primitive

from .codec import TableCodec
from .pgoutput import UNCHANGED, Delete, Insert, Update, Value

NEW_KEY_HEADER: Final = "__debezium.newkey"
OLD_KEY_HEADER: Final = "__debezium.oldkey"
TRUNCATE_KEY: Final = "headwater.truncate"
"""Key of a truncate event in a compacted topic, where a record must have one. Its schema is STRING."""

_LARGEST: Final = {"max.message.bytes": str(100 * 1024 * 1024)}
"""A log's default of 1 MB is less than what a row may hold, and one such row would stop the source."""
_COMPACTED: Final = {"cleanup.policy": "compact", "delete.retention.ms": str(7 * 24 * 3600 * 1000), **_LARGEST}
_KEPT: Final = {"cleanup.policy": "delete", "retention.ms": "-1", **_LARGEST}


@dataclass(slots=True)
class Moment:
    """Where and when an event happened. `ts_us`: commit, or the reading of the snapshot; `now_us`: when it is handled;
    both in microseconds since 1970."""

    version: int
    lsn: int
    ts_us: int
    now_us: int
    tx_id: int | None = None
    last_commit_lsn: int | None = None
    origin: tuple[str | None, int | None] = (None, None)


class TableEvents:
    """Makes the records of one table version. `delivered`: the columns that rows bring, in order."""

    def __init__(
        self,
        topic: str,
        codec: TableCodec,
        delivered: Sequence[str],
        block: SourceBlock,
        tombstones: bool = True,
        headers: tuple[Header, ...] = (),
    ) -> None:
        self.topic = topic
        self.codec = codec
        self.value_schema = envelope_schema(topic, codec.row_schema, POSTGRES_SOURCE_SCHEMA)
        self._block = block
        self._tombstones = tombstones
        self._headers = headers
        self._schema, self._name = codec.table.schema, codec.table.name
        self.delivered = tuple(delivered)
        self._key_places = tuple(list(delivered).index(name) for name in codec.key_columns)

    def read(self, values: Sequence[Value], moment: Moment, snapshot: str) -> Record:
        """A row of a snapshot; `snapshot` is the flag of the source block."""
        row = self.codec.decode_row(values)
        return self._record(self.codec.key(row, values), READ, None, row, moment, snapshot=snapshot)

    def insert(self, message: Insert, moment: Moment) -> list[Record]:
        row = self.codec.decode_row(message.new)
        return [self._record(self.codec.key(row, message.new), CREATE, None, row, moment)]

    def update(self, message: Update, moment: Moment) -> list[Record]:
        """Three records where the key changes: delete, tombstone, create."""
        codec = self.codec
        row = codec.decode_row(message.new)
        key = codec.key(row, message.new)
        if message.old is None:
            return [self._record(key, UPDATE, None, row, moment)]
        before = self._before(message.old, message.old_kind)
        if key is None or not self._key_changed(message):
            return [self._record(key, UPDATE, before, row, moment)]
        old_key = codec.key(before, message.old)
        gone = (Header(NEW_KEY_HEADER, key, codec.key_schema),)
        come = (Header(OLD_KEY_HEADER, old_key, codec.key_schema),)
        return [
            *self._deletion(old_key, before, moment, gone),
            self._record(key, CREATE, None, row, moment, come),
        ]

    def delete(self, message: Delete, moment: Moment) -> list[Record]:
        before = self._before(message.old, message.old_kind)
        return self._deletion(self.codec.key(before, message.old), before, moment)

    def truncate(self, moment: Moment) -> Record:
        record = self._record(None, TRUNCATE, None, None, moment)
        if self.codec.key_schema is not None:
            record.key, record.key_schema = TRUNCATE_KEY, primitive(Type.STRING)
        return record

    def raw_key(self, values: Sequence[Value]) -> tuple[str, ...]:
        """The key's values as text."""
        return tuple(value.decode() for at in self._key_places if isinstance(value := values[at], bytes))

    @property
    def keyed(self) -> bool:
        return self.codec.key_schema is not None

    def _before(self, old: Sequence[Value], kind: str | None) -> dict[str, Any]:
        return self.codec.decode_old_key(old) if kind == "K" else self.codec.decode_row(old)

    def _key_changed(self, message: Update) -> bool:
        old, new = message.old, message.new
        assert old is not None
        # text against text: NaN equals itself
        return any(old[at] != new[at] and new[at] is not UNCHANGED for at in self._key_places)

    def _deletion(
        self, key: Any, before: dict[str, Any], moment: Moment, headers: tuple[Header, ...] = ()
    ) -> list[Record]:
        record = self._record(key, DELETE, before, None, moment, headers)
        if key is None or not self._tombstones:
            return [record]
        return [record, record.replace(value=None, value_schema=None)]

    def _record(
        self,
        key: Any,
        op: str,
        before: dict[str, Any] | None,
        after: dict[str, Any] | None,
        moment: Moment,
        headers: tuple[Header, ...] = (),
        snapshot: str = SNAPSHOT_FALSE,
    ) -> Record:
        source = self._block(
            self._schema, self._name, moment.ts_us, moment.lsn, moment.tx_id, moment.last_commit_lsn, snapshot, None,
            moment.origin,
        )  # fmt: skip
        return Record(
            self.topic,
            key,
            envelope(op, before, after, source, moment.now_us),
            None if key is None else self.codec.key_schema,
            self.value_schema,
            headers + self._headers,
            version=moment.version,
        )


def topic_settings(keyed: bool, one_partition: bool) -> TopicSettings:
    """Keyed tables are compacted, so that the topic holds the newest row of every key for ever; the others keep all."""
    return TopicSettings(1 if one_partition else None, _COMPACTED if keyed else _KEPT)
