"""ExtractNewRecordState: change events become flat rows.

Source: io.debezium.transforms.{ExtractNewRecordState,AbstractExtractNewRecordState} and
extractnewstate.DefaultDeleteHandlingStrategy of Debezium 3.7.0.Final. Four differences: the mode `tombstone` writes
real tombstones (Debezium's keep the row's schema, so that a converter may write a payload null, which no compaction
removes); events without schemas are flattened too; a delete without a row in `before` is never dropped in silence; in a
sink, modes that make tombstones keep the log's own as well.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from headwater.connectors.debezium.envelope import DELETE, is_envelope
from headwater.worker.api import (
    NO_DEFAULT,
    ConfigError,
    DataError,
    Field,
    Header,
    Option,
    Options,
    OptionType,
    Problem,
    Record,
    Schema,
    Transform,
    Type,
    Unsupported,
    Values,
    primitive,
)

from .insert_header import not_ours
from .kept import Kept
from .metadata_fields import MetadataField, not_fields, parse_fields
from .projection import Projection, projection

DELETED_FIELD: Final = "__deleted"
_TEXT: Final = primitive(Type.STRING)
_OPTIONAL_TEXT: Final = primitive(Type.STRING, optional=True)
_REPLACED: Final = "removed in Debezium 3; use delete.tombstone.handling.mode"
_LOW: Final = "low"


class _Shape(NamedTuple):
    """What one envelope schema becomes. `defaults` stand for null where rows are rewritten."""

    schema: Schema
    defaults: dict[str, Any]
    fields: tuple[MetadataField, ...]
    headers: tuple[tuple[MetadataField, Schema | None], ...]


class ExtractNewRecordState(Transform):
    doc = "Turn Debezium's change events into flat rows and tombstones."
    options = Options(
        Option(
            "delete.tombstone.handling.mode",
            default="tombstone",
            doc="What becomes of a delete and the tombstone after it.",
            choices=("drop", "tombstone", "rewrite", "rewrite-with-tombstone", "delete-to-tombstone"),
        ),
        Option("add.fields", OptionType.LIST, [], "Metadata to put into the row.", validate=not_fields),
        Option("add.fields.prefix", default="__", doc="What their names begin with.", importance=_LOW),
        Option("add.headers", OptionType.LIST, [], "Metadata to put into headers.", validate=not_fields),
        Option("add.headers.prefix", default="__", doc="What their names begin with.", importance=_LOW),
        Option("route.by.field", default="", doc="The field whose value becomes the topic.", importance=_LOW),
        Option("drop.fields.header.name", default=None, doc="The header that lists fields to drop.", importance=_LOW),
        Option("drop.fields.from.key", OptionType.BOOLEAN, False, "Drop them from the key too.", importance=_LOW),
        Option(
            "drop.fields.keep.schema.compatible",
            OptionType.BOOLEAN,
            True,
            "Drop optional fields only.",
            importance=_LOW,
        ),
        Option(
            "replace.null.with.default",
            OptionType.BOOLEAN,
            True,
            "Put the default where a field of a rewritten row is null.",
            importance=_LOW,
        ),
        Unsupported("drop.tombstones", _REPLACED),
        Unsupported("delete.handling.mode", _REPLACED),
    )

    def configure(self, values: Values) -> None:
        self._mode: str = values["delete.tombstone.handling.mode"]
        self._rewrites = self._mode.startswith("rewrite")
        self._fields = parse_fields(values["add.fields.prefix"], values["add.fields"])
        self._headers = parse_fields(values["add.headers.prefix"], values["add.headers"])
        if wrong := not_ours([field.new_name for field in self._headers]):
            raise ConfigError([Problem("add.headers", wrong)])
        self._route_by: str = values["route.by.field"]
        self._drop_header: str = values["drop.fields.header.name"] or ""
        self._drop_from_key: bool = values["drop.fields.from.key"]
        self._drop_optional_only: bool = values["drop.fields.keep.schema.compatible"]
        self._with_defaults: bool = values["replace.null.with.default"]
        self._shapes: Kept[Schema, _Shape] = Kept(self._shape)
        self._dropping: Kept[tuple[Schema, frozenset[str]], Projection] = Kept(self._without)

    def apply(self, record: Record) -> Record | None:
        if record.value is None:
            return self._tombstone(record)
        if not is_envelope(record.value_schema, record.value):
            return record
        event = record.value
        try:
            shape = None if record.value_schema is None else self._shapes(record.value_schema)
            return self._flat(record, event, shape)
        except DataError as error:
            raise DataError(f"{record.where()}: ExtractNewRecordState: {error}") from error

    def _tombstone(self, record: Record) -> Record | None:
        # Where a sink reads a compacted topic, the delete event before this tombstone may be compacted away: then the
        # tombstone alone says that the row is gone, and without it the row would stay in the view for ever.
        only_trace = record.offset is not None and self._mode in ("tombstone", "delete-to-tombstone")
        if self._mode != "rewrite-with-tombstone" and not only_trace:
            return None
        added = tuple(Header(f.new_name, DELETE, _TEXT) for f in self._headers if f.field == "op")
        return record.replace(headers=record.headers + added) if added else record

    def _flat(self, record: Record, event: dict[str, Any], shape: _Shape | None) -> Record | None:
        before, after = event.get("before"), event.get("after")
        deleted = after is None
        if deleted and event.get("op") != DELETE and before is None:
            return None  # a truncate
        if deleted and self._mode == "drop":
            return None
        row = after if not deleted else before if self._rewrites else None
        if row is None and self._rewrites:
            raise DataError("a delete without the row in `before` cannot be rewritten; use the mode tombstone")
        value = None if row is None else self._row(row, event, shape, deleted)
        changed = record.replace(
            topic=self._topic(record.topic, before if deleted else value),
            headers=record.headers + self._added_headers(event, shape),
            value=value,
            value_schema=None if value is None or shape is None else shape.schema,
        )
        return self._dropped(changed) if self._drop_header else changed

    def _topic(self, topic: str, row: dict[str, Any] | None) -> str:
        if not self._route_by:
            return topic
        name = (row or {}).get(self._route_by)
        if name is not None and not isinstance(name, str):
            raise DataError(f"route.by.field: the field {self._route_by} is not a string")
        if row is None or self._route_by not in row:
            raise DataError(f"route.by.field: the row has no field {self._route_by}")
        return name if name and name.strip() else topic

    def _row(self, row: dict[str, Any], event: dict[str, Any], shape: _Shape | None, deleted: bool) -> dict[str, Any]:
        fields = shape.fields if shape else [f for f in self._fields if f.is_in(event)]
        if not fields and not self._rewrites:
            return row
        made = dict(row)
        if self._rewrites:
            for name, default in shape.defaults.items() if shape else ():
                if made.get(name) is None:
                    made[name] = default
            made[DELETED_FIELD] = "true" if deleted else "false"
        for field in fields:
            made[field.new_name] = field.value(event)
        return made

    def _added_headers(self, event: dict[str, Any], shape: _Shape | None) -> tuple[Header, ...]:
        if not self._headers:
            return ()
        if shape is None:
            return tuple(
                Header(f.new_name, _header_text(f.value(event)), _OPTIONAL_TEXT)
                for f in self._headers
                if f.is_in(event)
            )
        return tuple(Header(field.new_name, field.value(event), schema) for field, schema in shape.headers)

    def _shape(self, envelope: Schema) -> _Shape:
        row = envelope.get("after") or envelope.get("before")
        if row is None or row.type is not Type.STRUCT:
            raise DataError(f"the envelope {envelope.name} has no struct in its field after")
        fields = [(field, schema) for field in self._fields if (schema := field.schema(envelope)) is not None]
        added = [Field(field.new_name, schema) for field, schema in fields]
        if self._rewrites:
            added.insert(0, Field(DELETED_FIELD, _OPTIONAL_TEXT))
        names = [field.name for field in (*row.fields, *added)]
        if twice := [name for name in names if names.count(name) > 1]:
            raise DataError(f"the row would have two fields {twice[0]}")
        return _Shape(
            row.with_(fields=(*row.fields, *added), optional=False, default=NO_DEFAULT),
            {f.name: f.schema.default for f in row.fields if f.schema.default is not NO_DEFAULT}
            if self._with_defaults and self._rewrites
            else {},
            tuple(field for field, _ in fields),
            tuple((field, schema) for field in self._headers if (schema := field.schema(envelope)) is not None),
        )

    def _dropped(self, record: Record) -> Record:
        header = next((h for h in record.headers if h.name == self._drop_header), None)
        names = frozenset() if header is None or header.value is None else _names(header)
        if not names:
            return record
        value, value_schema = self._drop(record.value, record.value_schema, names)
        if not self._drop_from_key:
            return record.replace(value=value, value_schema=value_schema)
        key, key_schema = self._drop(record.key, record.key_schema, names)
        return record.replace(key=key, key_schema=key_schema, value=value, value_schema=value_schema)

    def _drop(self, value: Any, schema: Schema | None, names: frozenset[str]) -> tuple[Any, Schema | None]:
        if not isinstance(value, dict):
            return value, schema
        if schema is None:
            return {name: v for name, v in value.items() if name not in names}, None
        made = self._dropping((schema, names))
        # Not by identity: an equal schema of another object finds the same entry.
        return (value, schema) if len(made.schema.fields) == len(schema.fields) else (made(value), made.schema)

    def _without(self, asked: tuple[Schema, frozenset[str]]) -> Projection:
        schema, names = asked
        kept = [
            field.name
            for field in schema.fields
            if field.name not in names or (self._drop_optional_only and not field.schema.optional)
        ]
        if len(kept) == len(schema.fields):
            return Projection(schema, (), {})
        return projection(schema, [(name, name) for name in kept], replace_null_with_default=True)


def _header_text(value: Any) -> str | None:
    """Without a schema a header cannot say what it holds: its JSON is text."""
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _names(header: Header) -> frozenset[str]:
    """A list of strings; on the log it is JSON."""
    value = header.value
    try:
        names = json.loads(value) if isinstance(value, str | bytes) else value
    except ValueError:
        names = None
    if not isinstance(names, list) or any(not isinstance(name, str) for name in names):
        raise DataError(f"the header {header.name} is not a list of names")
    return frozenset(names)
