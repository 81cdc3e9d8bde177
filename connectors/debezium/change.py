"""One look at both kinds of record that a sink meets: change events, and flat rows with tombstones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from headwater.worker.api import DataError, Record, Schema

from .envelope import CREATE, DELETE, MESSAGE, OPERATIONS, READ, TRUNCATE, UPDATE, is_envelope

Row = Mapping[str, Any]


class Change(NamedTuple):
    """What a record does to a row.

    `op`: one of the envelope's; a flat row counts as `u`, a tombstone as `d`. `after`: the row as it is now, None
    where it is gone. `before`: as it was, where the source tells. `row_schema`: of both, None without schemas.
    """

    op: str
    before: Row | None
    after: Row | None
    source: Row | None
    row_schema: Schema | None

    @property
    def deletes(self) -> bool:
        return self.op == DELETE


def change_of(record: Record) -> Change:
    """Raises `DataError` for a value that is neither a struct, a map nor null, and for a broken envelope."""
    value, schema = record.value, record.value_schema
    if value is None:
        return Change(DELETE, None, None, None, None)
    if not isinstance(value, dict):
        raise DataError(
            f"{record.where()}: the value is a {type(value).__name__}, not a row. Use a converter that yields "
            "structs or maps, or a transform that makes one"
        )
    if not is_envelope(schema, value):
        return Change(UPDATE, None, value, None, schema)
    return _of_envelope(record, value, schema)


def _of_envelope(record: Record, value: Row, schema: Schema | None) -> Change:
    op, before, after = value.get("op"), value.get("before"), value.get("after")
    if op not in OPERATIONS:
        raise DataError(f"{record.where()}: unknown operation {op!r} in the change event's field op")
    if after is None and op in (CREATE, READ, UPDATE):
        raise DataError(f"{record.where()}: the change event has op {op!r} but no row in its field after")
    if op in (DELETE, TRUNCATE, MESSAGE):
        after = None
    row_schema = None if schema is None else schema.get("after") or schema.get("before")
    return Change(op, before, after, value.get("source"), row_schema)
