"""From a record to a row: which table, which columns, what of it is the key.

Reads Debezium's change events, flat records as ExtractNewRecordState leaves them (tombstones, `__deleted`), and values
without a schema, which become one column of JSON.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from headwater.connectors.debezium import names
from headwater.connectors.debezium.change import change_of
from headwater.connectors.debezium.envelope import MESSAGE, TRUNCATE, is_envelope
from headwater.connectors.debezium.placeholder import Placeholder
from headwater.connectors.formats.view_columns import (
    DELETED,
    HEADERS,
    KEY,
    OFFSET,
    OP,
    PARTITION,
    TIME,
    TOPIC,
    VALUE,
    VERSION,
)
from headwater.worker.api import TIMESTAMP, DataError, Header, Record, Schema, Type, Values, primitive

from ..columns import Layout, json_text
from .options import LATEST_STATE

LONGEST_NAME: Final = 120
"""Bytes of what `folder_name` makes: a column's name and its value stand in one segment."""
_CUT: Final = re.compile("%[0-9A-F]?$")

_TEXT: Final = primitive(Type.STRING, optional=True)
_JSON: Final = primitive(Type.STRING, optional=True, name=names.JSON, version=1)
_ALWAYS: Final = {
    TOPIC: _TEXT,
    PARTITION: primitive(Type.INT32, optional=True),
    OFFSET: primitive(Type.INT64, optional=True),
    TIME: primitive(Type.INT64, optional=True, name=TIMESTAMP, version=1),
}
_TOASTABLE: Final = frozenset((Type.STRING, Type.BYTES, Type.ARRAY, Type.MAP))
_EXTRAS: Final = {
    "key": (KEY, _TEXT),
    "version": (VERSION, primitive(Type.INT64, optional=True)),
    "headers": (HEADERS, _TEXT),
}


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What records of one topic with one pair of schemas become. Compared by identity; made once.

    `key_layout`: of the key's columns alone, in a latest state. `key_fields`: the key's columns and where they stand
    in a record's key; "" is the whole key.
    """

    table: str
    layout: Layout
    key_layout: Layout | None = None
    key_fields: tuple[tuple[str, str], ...] = ()
    toastable: tuple[str, ...] = ()
    """Columns that may hold a placeholder."""


class Row(NamedTuple):
    """`values` by column. In a latest state, `gone`: the record deletes the row of its key; `unfilled`: columns whose
    value the event leaves out, null in `values`."""

    shape: Shape
    record: Record
    values: Mapping[str, Any]
    gone: bool = False
    unfilled: tuple[str, ...] = ()


class Rows:
    """Makes rows of records, for one mode of the view."""

    def __init__(self, values: Values) -> None:
        self._latest: bool = values["view.mode"] == LATEST_STATE
        self._envelope: bool = values["change.event.format"] == "envelope"
        self._nulls: str = values["behavior.on.null.values"]
        self._extras = [_EXTRAS[name] for name in values["metadata.columns"]]
        self._format: str = values["table.name.format"]
        self._placeholder = Placeholder(values["unavailable.value.placeholder"])
        self._shapes: dict[tuple[Any, ...], Shape] = {}

    def row(self, record: Record) -> Row | None:
        """None: the record makes no row. Raises `DataError`."""
        return self._newest(record) if self._latest else self._logged(record)

    # --- a change log

    def _logged(self, record: Record) -> Row | None:
        value, schema = record.value, record.value_schema
        if value is None:
            return self._null(record)
        if self._envelope or not is_envelope(schema, value):
            flat, event, deleted = _plain(value, schema), False, None
            row_schema = schema
        else:
            change = change_of(record)
            if change.op in (TRUNCATE, MESSAGE):
                flat = {}
            else:
                flat = _plain(change.before if change.deletes else change.after, change.row_schema)
            event, deleted, row_schema = True, change.deletes, change.row_schema
        shape = self._shape(record, row_schema, event)
        return Row(shape, record, self._described(record, flat, value.get("op") if event else None, deleted))

    def _null(self, record: Record) -> Row | None:
        if self._nulls == "ignore":
            return None
        if self._nulls == "fail":
            raise DataError(f"{record.where()}: the value is null, and behavior.on.null.values is fail")
        shape = self._shape(record, record.key_schema, True)
        return Row(shape, record, self._described(record, _plain(record.key, record.key_schema, KEY), None, True))

    def _described(
        self, record: Record, flat: Mapping[str, Any], op: str | None, deleted: bool | None
    ) -> dict[str, Any]:
        made = dict(flat)
        if op is not None:
            made[OP] = op
        if deleted is not None:
            made[DELETED] = deleted
        made[TOPIC] = record.origin or record.topic
        made[PARTITION], made[OFFSET], made[TIME] = record.partition, record.offset, record.timestamp_ms
        for name, _ in self._extras:
            made[name] = _EXTRA_OF[name](record)
        return made

    # --- a latest state

    def _newest(self, record: Record) -> Row | None:
        if record.key is None:
            if record.value is None:
                return None
            raise DataError(
                f"{record.where()}: the record has no key, which a latest state needs; set view.mode: change.log, or "
                "let the source give the topic a key"
            )
        value, schema = record.value, record.value_schema
        if value is not None and not isinstance(value, dict):
            flat, row_schema, gone = _plain(value, schema), schema, False
        else:
            change = change_of(record)
            if change.op in (TRUNCATE, MESSAGE):
                return None
            gone = change.deletes or str((change.after or {}).get(DELETED)).lower() == "true"
            flat, row_schema = {} if gone else _plain(change.after, change.row_schema), change.row_schema
        shape = self._shape(record, None if gone else row_schema, False)
        made = dict(flat)
        for column, field in shape.key_fields:
            made[column] = _key_json(record) if column == KEY and record.key_schema is None else _at(record.key, field)
        matches = self._placeholder.matches
        unfilled = tuple([name for name in shape.toastable if matches(made.get(name))])
        for name in unfilled:
            made[name] = None
        return Row(shape, record, made, gone, unfilled)

    # --- shapes

    def _shape(self, record: Record, row_schema: Schema | None, event: bool) -> Shape:
        marker = (record.topic, record.key_schema if self._latest else None, row_schema, event)
        shape = self._shapes.get(marker)
        if shape is None:
            shape = self._shapes[marker] = self._made(record, row_schema, event)
        return shape

    def _made(self, record: Record, row_schema: Schema | None, event: bool) -> Shape:
        table = self._format.replace("${topic}", record.topic)
        columns = _columns_of(row_schema, KEY if event and record.value is None else VALUE)
        if not self._latest:
            if event:
                columns |= {OP: _TEXT, DELETED: primitive(Type.BOOLEAN, optional=True)}
            columns |= _ALWAYS
            columns |= dict(self._extras)
            return Shape(table, Layout(columns.items()))
        fields = _key_columns(record.key_schema)
        keys = {column: schema for column, _, schema in fields}
        columns.pop(DELETED, None)
        both = {**keys, **columns, **keys}
        toastable = tuple(n for n, s in both.items() if n not in keys and s.type in _TOASTABLE)
        named = tuple((column, field) for column, field, _ in fields)
        return Shape(table, Layout(both.items()), Layout(keys.items()), named, toastable)


def folder_name(text: str) -> str:
    """A segment of a path for any text, e.g. a table's name or a column's value: different ones for different texts.

    Long ones end with a digest, since file systems take 255 bytes in a name.
    """
    made = quote(text, safe="-_.,=+:@ ")
    if made in (".", "..") or made.startswith(".~"):
        return "%2E" + made[1:]
    if len(made) > LONGEST_NAME:
        mark = hashlib.blake2b(made.encode(), digest_size=10).hexdigest()
        return f"{_CUT.sub('', made[: LONGEST_NAME - len(mark) - 2])}%%{mark}"
    return made or "%"


def _plain(value: Any, schema: Schema | None, column: str = VALUE) -> Mapping[str, Any]:
    """A struct's fields, else one column."""
    if schema is None:
        return {column: json_text(value)}
    return value if schema.type is Type.STRUCT else {column: value}


def _columns_of(schema: Schema | None, column: str) -> dict[str, Schema]:
    if schema is None:
        return {column: _JSON}
    if schema.type is not Type.STRUCT:
        return {column: schema}
    return {field.name: field.schema for field in schema.fields}


def _key_columns(schema: Schema | None) -> list[tuple[str, str, Schema]]:
    """Column, field of the key ("": all of it), schema."""
    if schema is None:
        return [(KEY, "", _JSON)]
    if schema.type is Type.STRUCT:
        return [(field.name, field.name, field.schema) for field in schema.fields]
    return [(KEY, "", schema)]


def _at(key: Any, field: str) -> Any:
    return key[field] if field else key


def _key_json(record: Record) -> str | None:
    return None if record.key is None else json_text(record.key)


def _headers_json(record: Record) -> str | None:
    """`[{"name", "value", "type"}]`; `type`: of a primitive. Bytes are base64."""
    if not record.headers:
        return None
    return json_text([_header(header) for header in record.headers])


def _header(header: Header) -> dict[str, Any]:
    made = {"name": header.name, "value": header.value}
    if header.schema is None:
        return made | ({"type": Type.BYTES.value} if isinstance(header.value, bytes) else {})
    nested = header.schema.type in (Type.ARRAY, Type.MAP, Type.STRUCT)
    return made if nested else made | {"type": header.schema.type.value}


_EXTRA_OF: Final[Mapping[str, Callable[[Record], Any]]] = {
    KEY: _key_json,
    VERSION: lambda record: record.version,
    HEADERS: _headers_json,
}
