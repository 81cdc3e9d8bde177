"""The block `source` of a change event: where in the database the change was read.

Source: io.debezium.connector.postgresql.{PostgresSourceInfoStructMaker,SourceInfo},
io.debezium.connector.SnapshotRecord and io.debezium.schema.SchemaFactory of Debezium 3.7.0.Final.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from headwater.worker.api import Schema, Type, primitive, struct

from .names import enum

SNAPSHOT_TRUE: Final = "true"
SNAPSHOT_FIRST: Final = "first"
SNAPSHOT_FIRST_IN_TABLE: Final = "first_in_data_collection"
SNAPSHOT_LAST_IN_TABLE: Final = "last_in_data_collection"
SNAPSHOT_LAST: Final = "last"
SNAPSHOT_FALSE: Final = "false"
SNAPSHOT_INCREMENTAL: Final = "incremental"
SNAPSHOT_VALUES: Final = (
    SNAPSHOT_TRUE,
    SNAPSHOT_FIRST,
    SNAPSHOT_FIRST_IN_TABLE,
    SNAPSHOT_LAST_IN_TABLE,
    SNAPSHOT_LAST,
    SNAPSHOT_FALSE,
    SNAPSHOT_INCREMENTAL,
)

_TEXT: Final = primitive(Type.STRING)
_OPTIONAL_TEXT: Final = primitive(Type.STRING, optional=True)
_OPTIONAL_NUMBER: Final = primitive(Type.INT64, optional=True)

POSTGRES_SOURCE_SCHEMA: Final[Schema] = struct(
    {
        "version": _TEXT,
        "connector": _TEXT,
        "name": _TEXT,
        "ts_ms": primitive(Type.INT64),
        "snapshot": enum(SNAPSHOT_VALUES, optional=True, default=SNAPSHOT_FALSE),
        "db": _TEXT,
        "sequence": _OPTIONAL_TEXT,
        "ts_us": _OPTIONAL_NUMBER,
        "ts_ns": _OPTIONAL_NUMBER,
        "schema": _TEXT,
        "table": _TEXT,
        "txId": _OPTIONAL_NUMBER,
        "lsn": _OPTIONAL_NUMBER,
        "xmin": _OPTIONAL_NUMBER,
        "origin": _OPTIONAL_TEXT,
        "origin_lsn": _OPTIONAL_NUMBER,
    },
    name="io.debezium.connector.postgresql.Source",
    version=1,
)


def sequence(last_commit_lsn: int | None, lsn: int | None) -> str:
    """`["24023119","24023128"]`: the LSN of the last commit before this event, and the event's own."""
    last = "null" if last_commit_lsn is None else f'"{last_commit_lsn}"'
    own = "null" if lsn is None else f'"{lsn}"'
    return f"[{last},{own}]"


SourceBlock = Callable[..., dict[str, Any]]


def source_blocks(version: str, name: str, database: str) -> SourceBlock:
    """A function that makes the block of one event.

    `version`: the connector's; `name`: `topic.prefix`. The function's arguments: `schema`, `table`, `ts_us` (commit
    time of the transaction, or when the snapshot row was read, in microseconds since 1970-01-01T00:00Z), `lsn` of the
    event, `tx_id`, `last_commit_lsn`, `snapshot`, `origin` (name and LSN of a replication origin), and `xmin` where
    `xmin.fetch.interval.ms` asks for it.
    """

    def block(
        schema: str,
        table: str,
        ts_us: int,
        lsn: int | None = None,
        tx_id: int | None = None,
        last_commit_lsn: int | None = None,
        snapshot: str = SNAPSHOT_FALSE,
        xmin: int | None = None,
        origin: tuple[str | None, int | None] = (None, None),
    ) -> dict[str, Any]:
        return {
            "version": version,
            "connector": "postgresql",
            "name": name,
            "ts_ms": ts_us // 1000,
            # Debezium leaves it unset for streamed events; the schema's default then gives the same "false"
            "snapshot": snapshot,
            "db": database,
            "sequence": sequence(last_commit_lsn, lsn),
            "ts_us": ts_us,
            "ts_ns": ts_us * 1000,
            "schema": schema,
            "table": table,
            "txId": tx_id,
            "lsn": lsn,
            "xmin": xmin,
            "origin": origin[0],
            "origin_lsn": origin[1],
        }

    return block
