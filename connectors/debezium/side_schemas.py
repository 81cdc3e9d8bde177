"""Schemas of the records beside the tables' own: heartbeats, transaction metadata, logical messages.

Source: io.debezium.schema.SchemaFactory and io.debezium.connector.postgresql.PostgresSchemaFactory of Debezium
3.7.0.Final.
"""

from __future__ import annotations

from typing import Final

from headwater.worker.api import Type, array, primitive, struct

from .envelope import TRANSACTION_SCHEMA
from .source_block import POSTGRES_SOURCE_SCHEMA

_TEXT: Final = primitive(Type.STRING)
_NUMBER: Final = primitive(Type.INT64)
_OPTIONAL_NUMBER: Final = primitive(Type.INT64, optional=True)
_OPTIONAL_TEXT: Final = primitive(Type.STRING, optional=True)

HEARTBEAT_KEY_SCHEMA: Final = struct(
    {"serverName": _TEXT}, name="io.debezium.connector.common.ServerNameKey", version=1
)
HEARTBEAT_VALUE_SCHEMA: Final = struct({"ts_ms": _NUMBER}, name="io.debezium.connector.common.Heartbeat", version=1)

TRANSACTION_KEY_SCHEMA: Final = struct(
    {"id": _TEXT}, name="io.debezium.connector.common.TransactionMetadataKey", version=1
)
TRANSACTION_VALUE_SCHEMA: Final = struct(
    {
        "status": _TEXT,
        "id": _TEXT,
        "event_count": _OPTIONAL_NUMBER,
        "data_collections": array(
            struct(
                {"data_collection": _TEXT, "event_count": _NUMBER}, name="event.collection", version=1, optional=True
            ),
            optional=True,
        ),
        "ts_ms": _NUMBER,
    },
    name="io.debezium.connector.common.TransactionMetadataValue",
    version=1,
)

MESSAGE_KEY_SCHEMA: Final = struct(
    {"prefix": _OPTIONAL_TEXT}, name="io.debezium.connector.postgresql.MessageKey", version=1
)
MESSAGE_VALUE_SCHEMA: Final = struct(
    {
        "op": _TEXT,
        "ts_ms": _OPTIONAL_NUMBER,
        "source": POSTGRES_SOURCE_SCHEMA,
        "transaction": TRANSACTION_SCHEMA,
        "message": struct(
            {"prefix": _OPTIONAL_TEXT, "content": primitive(Type.BYTES, optional=True)},
            name="io.debezium.connector.postgresql.Message",
            version=1,
        ),
    },
    name="io.debezium.connector.postgresql.MessageValue",
    version=1,
)
