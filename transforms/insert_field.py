"""InsertField: topic, partition, offset, timestamp of the record, or a fixed text, as fields of the key or the value.

Source: org.apache.kafka.connect.transforms.InsertField (Kafka 4.3.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from headwater.worker.api import (
    NO_DEFAULT,
    TIMESTAMP,
    ConfigError,
    DataError,
    Field,
    Option,
    Options,
    Problem,
    Record,
    Schema,
    Type,
    Values,
    primitive,
)

from .kept import Kept
from .key_or_value import KeyOrValue, OfKey, OfValue, as_map, as_struct
from .null_defaults import REPLACE_NULL, defaults_of, filled

_SUFFIX: Final = " `!` behind it makes the field required, `?` optional, which is the default."


class _Inserted(NamedTuple):
    name: str
    schema: Schema
    value: Callable[[Record], Any]
    """None leaves a struct's field null and adds none to a map."""


class _Shape(NamedTuple):
    schema: Schema
    defaults: dict[str, Any]


class _InsertField(KeyOrValue):
    options = Options(
        Option("topic.field", default=None, doc="Field for the topic." + _SUFFIX),
        Option("partition.field", default=None, doc="Field for the partition." + _SUFFIX),
        Option("offset.field", default=None, doc="Field for the offset; in sinks alone." + _SUFFIX),
        Option("timestamp.field", default=None, doc="Field for the record's timestamp." + _SUFFIX),
        Option("static.field", default=None, doc="Field for `static.value`." + _SUFFIX),
        Option("static.value", default=None, doc="The text of `static.field`."),
        REPLACE_NULL,
    )

    def configure(self, values: Values) -> None:
        self._inserted = tuple(
            _inserted(values[option], schema, value)
            for option, schema, value in (
                ("topic.field", primitive(Type.STRING), lambda record: record.topic),
                ("partition.field", primitive(Type.INT32), lambda record: record.partition),
                ("offset.field", primitive(Type.INT64), _offset),
                ("timestamp.field", primitive(Type.INT64, name=TIMESTAMP, version=1), lambda r: r.timestamp_ms),
                ("static.field", primitive(Type.STRING), lambda record: values["static.value"]),
            )
            if values[option] is not None
        )
        if not self._inserted:
            raise ConfigError([Problem("topic.field", "no field to insert is named", "set topic.field or another one")])
        if values["static.field"] is not None and values["static.value"] is None:
            raise ConfigError([Problem("static.value", "required and missing", "the text for static.field")])
        self._with_defaults: bool = values["replace.null.with.default"]
        self._shapes: Kept[Schema, _Shape] = Kept(self._shape)

    def _shape(self, schema: Schema) -> _Shape:
        fields = (*schema.fields, *(Field(field.name, field.schema) for field in self._inserted))
        names = [field.name for field in fields]
        if twice := [name for name in names if names.count(name) > 1]:
            raise DataError(f"there is a field {twice[0]!r} already")
        made = schema.with_(fields=fields, optional=False, default=NO_DEFAULT)
        return _Shape(made, defaults_of(schema, self._with_defaults))

    def change(self, value: Any, schema: Schema | None, record: Record) -> tuple[Any, Schema | None]:
        if value is None:
            return value, schema
        if schema is None:
            row = dict(as_map(value))
            for name, _, get in self._inserted:
                if (inserted := get(record)) is not None:
                    row[name] = inserted
            return row, None
        row = as_struct(value, schema)
        shape = self._shapes(schema)
        row = dict(filled(row, shape.defaults))
        for name, _, get in self._inserted:
            row[name] = get(record)
        return row, shape.schema


def _inserted(name: str, schema: Schema, value: Callable[[Record], Any]) -> _Inserted:
    optional = not name.endswith("!")
    return _Inserted(name[:-1] if name.endswith(("!", "?")) else name, schema.with_(optional=optional), value)


def _offset(record: Record) -> int:
    if record.offset is None:
        raise DataError("offset.field: records have offsets in sinks alone")
    return record.offset


class InsertFieldKey(OfKey, _InsertField):
    doc = "Add fields to the key."


class InsertFieldValue(OfValue, _InsertField):
    doc = "Add fields to the value."
