"""From a record to the change it makes of a row: which table, which columns, upsert, delete or truncate.

Reads Debezium's change events, and flat records as ExtractNewRecordState leaves them (tombstones, `__deleted`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

from headwater.connectors.debezium import envelope
from headwater.worker.api import DataError, Header, Record, Schema, Type, Values, primitive

from .columns import Column, column_of, header_column
from .meanings import BY_COORDINATES, deletes_rows, folds_names, keeps_dots
from .naming import table_name
from .options import COORDINATES

DELETED_FIELD: Final = "__deleted"


class Origin(Enum):
    """Where a column's value stands in the record."""

    KEY = "key"
    WHOLE_KEY = "whole key"
    VALUE = "value"
    HEADER = "header"
    TOPIC = "topic"
    PARTITION = "partition"
    OFFSET = "offset"


class Op(Enum):
    UPSERT = "upsert"
    DELETE = "delete"
    TRUNCATE = "truncate"


class Cell(NamedTuple):
    """One column: `field` of `origin`."""

    name: str
    origin: Origin
    field: str
    column: Column
    key: bool


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What the records of one topic with one pair of schemas become. Compared by identity; made once."""

    part: str
    schema: str
    table: str
    topic: str
    cells: tuple[Cell, ...]


class Change(NamedTuple):
    """`row`: the struct that VALUE cells are read from."""

    op: Op
    plan: Plan
    record: Record
    row: Mapping[str, Any]


class Rows:
    """Makes changes of records. `default_schema`: where tables stand whose name format gives no schema."""

    def __init__(self, values: Values, default_schema: str) -> None:
        self._values = values
        self._default_schema = default_schema
        self._format: str = values["collection.name.format"]
        self._source_fields = tuple(re.findall(r"\$\{source\.([A-Za-z_]+)\}", self._format))
        self._names: dict[tuple[Any, ...], tuple[str, str]] = {}
        self._by_topic: dict[str, tuple[str, str]] = {}
        self._last_name: dict[str, tuple[str, str]] = {}
        self._plans: dict[tuple[Any, ...], Plan] = {}
        self._mode: str = values["primary.key.mode"]
        self._key_fields: list[str] = values["primary.key.fields"]
        self._deletes = deletes_rows(values)
        self._truncates: bool = values["truncate.enabled"]
        self._folds, self._dots = folds_names(values), keeps_dots(values)

    def change(self, record: Record) -> Change | None:
        """The record's change; None: it makes none. Raises `DataError`."""
        value, schema = record.value, record.value_schema
        if value is None:  # a tombstone; it has no headers
            return self._delete(record, None, None) if self._deletes and self._mode == "record_key" else None
        if schema is None or schema.type is not Type.STRUCT:
            raise DataError(
                f"{record.where()}: a view needs records with schemas, whose value is a struct; set "
                "value.converter.schemas.enable: true for the source and for this view, or another converter"
            )
        if not envelope.is_envelope_schema(schema):
            if self._deletes and value.get(DELETED_FIELD) in ("true", True):
                return self._delete(record, None, schema)
            return Change(Op.UPSERT, self._plan(record, None, schema), record, value)
        op, source = value["op"], value.get("source")
        if op in (envelope.CREATE, envelope.READ, envelope.UPDATE):
            if value.get("after") is None:
                raise DataError(f"{record.where()}: the change event {op!r} has no `after`")
            return Change(Op.UPSERT, self._plan(record, source, schema.get("after")), record, value["after"])
        if op == envelope.DELETE:
            return self._delete(record, source, schema.get("before")) if self._deletes else None
        if op == envelope.TRUNCATE:
            return Change(Op.TRUNCATE, self._whole_table(record, source), record, {}) if self._truncates else None
        if op == envelope.MESSAGE:
            return None
        raise DataError(f"{record.where()}: the change event has an unknown op {op!r}")

    def _delete(self, record: Record, source: Any, schema: Schema | None) -> Change | None:
        """None where the record has no key: a row that is named by its coordinates cannot be deleted."""
        if self._coordinates(record):
            return None
        return Change(Op.DELETE, self._plan(record, source, schema), record, {})

    def _coordinates(self, record: Record) -> bool:
        if self._mode in BY_COORDINATES:
            return True
        if self._mode != "record_key" or record.key is not None:
            return False
        if self._values.given("primary.key.mode"):
            raise DataError(f"{record.where()}: the record has no key, which primary.key.mode: record_key asks for")
        return True

    def _plan(self, record: Record, source: Mapping[str, Any] | None, row_schema: Schema | None) -> Plan:
        schema, table = self._name(record.topic, source)
        # a record without a key beside records with one makes another table of it, which `evolve` then refuses
        marker = (record.topic, schema, table, record.key is None, record.key_schema, row_schema, self._shown(record))
        plan = self._plans.get(marker)
        if plan is None:
            cells = tuple(self._cells(record, row_schema))
            plan = Plan(f"{schema}.{table}", schema, table, record.topic, cells)
            self._plans[marker] = plan
        return plan

    def _whole_table(self, record: Record, source: Mapping[str, Any] | None) -> Plan:
        """For changes that name no row."""
        schema, table = self._name(record.topic, source)
        return Plan(f"{schema}.{table}", schema, table, record.topic, ())

    def _shown(self, record: Record) -> tuple[Schema | None, ...]:
        """The schemas of the headers that make the key; () where none do."""
        if self._mode != "record_header":
            return ()
        return tuple(_header(record, name).schema for name in self._key_fields)

    def _name(self, topic: str, source: Mapping[str, Any] | None) -> tuple[str, str]:
        if not self._source_fields:
            known = self._by_topic.get(topic)
            if known is None:
                known = self._by_topic[topic] = self._resolve(topic, None)
            return known
        if source is None and topic in self._last_name:  # the tombstone after a delete belongs to the same table
            return self._last_name[topic]
        marker = (topic, *(source.get(field) for field in self._source_fields)) if source else (topic,)
        found = self._names.get(marker)
        if found is None:
            found = self._names[marker] = self._resolve(topic, source)
        if source is not None:
            self._last_name[topic] = found
        return found

    def _resolve(self, topic: str, source: Mapping[str, Any] | None) -> tuple[str, str]:
        schema, table = table_name(self._format, topic, source, self._folds, self._dots)
        return schema or self._default_schema, table

    def _cells(self, record: Record, row_schema: Schema | None) -> Iterator[Cell]:
        keys = {cell.name: cell for cell in self._key_cells(record, row_schema)}
        fields = () if row_schema is None else row_schema.fields
        named = {self._column_name(field.name) for field in fields}
        yield from (cell for name, cell in keys.items() if name not in named)
        for field in fields:
            name = self._column_name(field.name)
            if name in keys:
                yield keys[name]
            elif self._wanted(record.topic, field.name):
                yield Cell(name, Origin.VALUE, field.name, column_of(field.schema), False)

    def _key_cells(self, record: Record, row_schema: Schema | None) -> Iterator[Cell]:
        if self._coordinates(record):
            names = self._key_fields if len(self._key_fields) == 3 else COORDINATES
            types = (Type.STRING, Type.INT32, Type.INT64)
            for name, origin, type_ in zip(names, (Origin.TOPIC, Origin.PARTITION, Origin.OFFSET), types, strict=True):
                yield Cell(name, origin, "", column_of(primitive(type_)), True)
        elif self._mode == "record_value":
            for name in self._key_fields or self._all_fields(record.topic, row_schema):
                yield self._key_cell(record, Origin.VALUE, row_schema, name)
        elif self._mode == "record_header":
            for name in self._key_fields:
                column = header_column(_header(record, name).schema)
                yield Cell(self._column_name(name), Origin.HEADER, name, column, True)
        elif record.key_schema is None:
            raise DataError(
                f"{record.where()}: the key has no schema; set key.converter.schemas.enable: true for the source and "
                "for this view, or another converter"
            )
        elif record.key_schema.type is Type.STRUCT:
            for name in self._key_fields or [field.name for field in record.key_schema.fields]:
                yield self._key_cell(record, Origin.KEY, record.key_schema, name)
        elif len(self._key_fields) == 1:
            name = self._column_name(self._key_fields[0])
            yield Cell(name, Origin.WHOLE_KEY, "", column_of(record.key_schema), True)
        else:
            raise DataError(f"{record.where()}: the key is no struct: name its column with primary.key.fields")

    def _key_cell(self, record: Record, origin: Origin, schema: Schema | None, name: str) -> Cell:
        field_schema = schema.get(name) if schema else None
        if field_schema is None:
            raise DataError(f"{record.where()}: the record's {origin.value} has no field {name!r} for the view's key")
        return Cell(self._column_name(name), origin, name, column_of(field_schema), True)

    def _all_fields(self, topic: str, schema: Schema | None) -> list[str]:
        return [field.name for field in schema.fields if self._wanted(topic, field.name)] if schema else []

    def _column_name(self, name: str) -> str:
        return name.lower() if self._folds else name

    def _wanted(self, topic: str, field: str) -> bool:
        if self._deletes and field == DELETED_FIELD:
            return False
        return is_included(self._values, topic, field)


def _header(record: Record, name: str) -> Header:
    """The record's last header of this name. Raises `DataError`."""
    found = next((header for header in reversed(record.headers) if header.name == name), None)
    if found is None:
        raise DataError(f"{record.where()}: the record has no header {name!r} for the view's key")
    return found


def header_value(record: Record, name: str) -> Any:
    return _header(record, name).value


def is_included(values: Values, topic: str, field: str) -> bool:
    """Do field.include.list and field.exclude.list let the field become a column?"""

    def listed(option: str) -> bool:
        return any(
            re.fullmatch(pattern, f"{topic}:{field}") or re.fullmatch(pattern, field) for pattern in values[option]
        )

    if values["field.include.list"] and not listed("field.include.list"):
        return False
    return not listed("field.exclude.list")
