"""Rows of a Parquet view -> the records that they were made of: key, headers, time and version as far as it holds them.

What the columns hold: `connectors.parquet.sink.rows`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final

import orjson

from headwater.connectors.debezium import names
from headwater.connectors.formats import KeyFields, Row
from headwater.connectors.formats.view_columns import (
    COORDINATES,
    DELETED,
    HEADERS,
    KEY,
    OP,
    TIME,
    TOPIC,
    VALUE,
    VERSION,
)
from headwater.worker.api import DataError, Header, Record, Schema, Type, primitive, struct

from .row_records import milliseconds, schema_of

_OF_RECORDS: Final = frozenset((*COORDINATES, TIME, KEY, VERSION, HEADERS))
_NO_ROW: Final = frozenset(("t", "m"))
"""Truncates and logical messages: they tell of no row."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """What a file's columns are. `value`: of the record, None where it is no struct but `alone`."""

    file: Schema
    names: tuple[str, ...]
    value: Schema | None
    alone: Schema | None
    event: bool


class ViewRows:
    """`topic`: where records go; "": to the one that each row names, else to `table_topic`. `key`: columns of a latest
    state's key."""

    def __init__(self, topic: str, table_topic: str, key: tuple[str, ...], key_fields: list[str]) -> None:
        self._topic, self._table_topic = topic, table_topic
        self._key, self._keys = key, KeyFields(key_fields or [name for name in key if name != KEY])
        self._columns: _Columns | None = None
        self._key_schemas: dict[tuple[tuple[str, bool], ...], Schema] = {}

    def record(self, row: Row) -> Record | None:
        assert row.schema is not None
        columns = self._columns
        if columns is None or columns.file is not row.schema:
            columns = self._columns = _columns(row.schema)
        fields: dict[str, Any] = row.value
        if columns.event and fields.get(OP) in _NO_ROW:
            return None
        key, key_schema = self._key_of(fields, columns)
        time_ms = milliseconds(fields.get(TIME), row.schema.get(TIME), TIME)
        record = Record(self._topic or fields.get(TOPIC) or self._table_topic, key, None, key_schema, None,
                        _headers(fields.get(HEADERS)), time_ms, fields.get(VERSION))  # fmt: skip
        if columns.event and fields.get(DELETED):
            if key is None:
                raise DataError("deletes a row, and no key says which: write the view with metadata.columns: key, or "
                                "set key.fields")  # fmt: skip
            return record
        if columns.alone is not None:
            return record.replace(**_single(fields[VALUE], columns.alone))
        return record.replace(value={name: fields[name] for name in columns.names}, value_schema=columns.value)

    def _key_of(self, fields: dict[str, Any], columns: _Columns) -> tuple[Any, Schema | None]:
        key, schema = self._keys.of(fields, columns.file)
        if key is not None or fields.get(KEY) is None:
            return key, schema
        stated = columns.file.get(KEY)
        typed = stated is not None and stated.name != names.JSON and (self._key or stated.type is not Type.STRING)
        if stated is not None and typed:
            return fields[KEY], stated.with_(optional=False)
        try:
            found = orjson.loads(fields[KEY])
        except orjson.JSONDecodeError as error:
            raise DataError(f"has no JSON in {KEY}: {error}") from error
        if not isinstance(found, dict):
            return found, schema_of(found)
        if not all(name in columns.names and _agree(value, fields[name], columns.file.get(name))
                   for name, value in found.items()):  # fmt: skip
            return found, None
        # The row has the same fields, and with them their types, which JSON does not keep.
        marker = tuple((name, value is None) for name, value in found.items())
        if marker not in self._key_schemas:
            parts = {name: columns.file.get(name) for name in found}
            self._key_schemas[marker] = struct({n: s.with_(optional=found[n] is None) for n, s in parts.items() if s})
        return {name: fields[name] for name in found}, self._key_schemas[marker]


def _agree(stated: Any, value: Any, schema: Schema | None) -> bool:
    """May the column's value be that of the key's field of the same name? A value may have a field that is called like
    one of the key and holds something else. Those with a type of a name are written in another way in JSON."""
    if stated is None or value is None:
        return stated is value
    if schema is None or schema.name is not None or type(value) not in (bool, int, str):
        return True
    return type(stated) is type(value) and bool(stated == value)


def _columns(file: Schema) -> _Columns:
    event = (deleted := file.get(DELETED)) is not None and deleted.type is Type.BOOLEAN and file.get(OP) is not None
    left_out = _OF_RECORDS | {OP, DELETED} if event else _OF_RECORDS
    found = {field.name: field.schema for field in file.fields if field.name not in left_out}
    alone = found[VALUE] if [*found] == [VALUE] else None
    return _Columns(file, tuple(found), struct(found), alone, event)


def _single(value: Any, schema: Schema) -> dict[str, Any]:
    """A value that was no struct, or had no schema."""
    if schema.name != names.JSON or value is None:
        return {"value": value, "value_schema": schema}
    try:
        return {"value": orjson.loads(value), "value_schema": None}
    except orjson.JSONDecodeError as error:
        raise DataError(f"has no JSON in {VALUE}: {error}") from error


def _headers(text: str | None) -> tuple[Header, ...]:
    """`[{"name", "value", "type"}]`; the type is a primitive one's name, and missing for values without a schema.

    Raises `DataError`.
    """
    if not text:
        return ()
    try:
        return tuple(_header(item) for item in orjson.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"has no headers in {HEADERS}: {error!r}") from error


def _header(item: dict[str, Any]) -> Header:
    value, type = item["value"], item.get("type")
    if type is None:
        return Header(item["name"], value, schema_of(value))
    if type == Type.BYTES and value is not None:
        return Header(item["name"], base64.b64decode(value))
    return Header(item["name"], value, primitive(Type(type), value is None))
