"""The change event: what one row looked like before and after one operation.

Source: io.debezium.data.Envelope, SchemaFactory.datatypeEnvelopeSchema and relational.TableSchemaBuilder of Debezium
3.7.0.Final: field order, optional flags and versions are theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from headwater.worker.api import Schema, Type, primitive, struct

READ: Final = "r"
"""A row of a snapshot."""
CREATE: Final = "c"
UPDATE: Final = "u"
DELETE: Final = "d"
TRUNCATE: Final = "t"
MESSAGE: Final = "m"
OPERATIONS: Final = frozenset((READ, CREATE, UPDATE, DELETE, TRUNCATE, MESSAGE))

SCHEMA_SUFFIX: Final = ".Envelope"
SCHEMA_VERSION: Final = 2

TRANSACTION_SCHEMA: Final = struct(
    {
        "id": primitive(Type.STRING),
        "total_order": primitive(Type.INT64),
        "data_collection_order": primitive(Type.INT64),
    },
    name="event.block",
    version=1,
    optional=True,
)
"""The block `transaction`: null unless `provide.transaction.metadata` is set."""


def envelope_schema(topic: str, row_schema: Schema, source_schema: Schema) -> Schema:
    """The schema of the change events of one table.

    `topic`: the data topic, `<topic.prefix>.<schema>.<table>`; `row_schema` is made optional, as in Debezium.
    """
    row = row_schema.as_optional()
    fields = {
        "before": row,
        "after": row,
        "source": source_schema,
        "transaction": TRANSACTION_SCHEMA,
        "op": primitive(Type.STRING),
        "ts_ms": primitive(Type.INT64, optional=True),
        "ts_us": primitive(Type.INT64, optional=True),
        "ts_ns": primitive(Type.INT64, optional=True),
    }
    return struct(fields, name=topic + SCHEMA_SUFFIX, version=SCHEMA_VERSION)


def envelope(
    op: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    source: Mapping[str, Any],
    ts_us: int,
    transaction: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One change event. `ts_us`: when the connector handled it, in microseconds since 1970-01-01T00:00Z."""
    return {
        "before": before,
        "after": after,
        "source": source,
        "transaction": transaction,
        "op": op,
        "ts_ms": ts_us // 1000,
        "ts_us": ts_us,
        "ts_ns": ts_us * 1000,
    }


def is_envelope_schema(schema: Schema | None) -> bool:
    return schema is not None and schema.name is not None and schema.name.endswith(SCHEMA_SUFFIX)


def is_envelope(schema: Schema | None, value: Any) -> bool:
    """Is this record value a change event? Without a schema its shape decides."""
    if schema is not None:
        return is_envelope_schema(schema) and isinstance(value, dict)
    return isinstance(value, dict) and value.get("op") in OPERATIONS and "source" in value and (
        "after" in value or "before" in value
    )  # fmt: skip
