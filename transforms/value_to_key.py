"""ValueToKey: a new key from fields of the value.

Source: org.apache.kafka.connect.transforms.ValueToKey (Kafka 4.3.1).
"""

from __future__ import annotations

from typing import Any

from headwater.worker.api import DataError, Field, Option, Options, OptionType, Record, Schema, Transform, Type, Values

from .kept import Kept
from .projection import Projection, projection, require_map, require_struct


def _some(value: list[str]) -> str | None:
    return None if value else "must name at least one field"


class ValueToKey(Transform):
    """A tombstone has no fields: like Kafka's, this refuses it; put a predicate before it."""

    options = Options(
        Option("fields", OptionType.LIST, doc="Fields of the value that make the key, in this order.", validate=_some),
        Option("replace.null.with.default", OptionType.BOOLEAN, True, "Put the default where a field is null."),
    )
    doc = "Make a new key from fields of the value."

    def configure(self, values: Values) -> None:
        self._fields: list[str] = values["fields"]
        self._with_defaults: bool = values["replace.null.with.default"]
        self._projections: Kept[Schema, Projection] = Kept(self._project)

    def apply(self, record: Record) -> Record:
        if record.value_schema is None:
            fields = require_map(record.value, record, "ValueToKey")
            return record.replace(key={name: fields.get(name) for name in self._fields}, key_schema=None)
        row: dict[str, Any] = require_struct(record.value, record.value_schema, record, "ValueToKey")
        try:
            made = self._projections(record.value_schema)
        except DataError as error:
            raise DataError(f"{record.where()}: ValueToKey: {error}") from error
        return record.replace(key=made(row), key_schema=made.schema)

    def _project(self, schema: Schema) -> Projection:
        """The key's schema is a plain struct: it takes neither name nor version of the value's."""
        missing = [name for name in self._fields if schema.get(name) is None]
        if missing:
            raise DataError(f"the value has no field {missing[0]!r}")
        plain = Schema(Type.STRUCT, fields=tuple(Field(f.name, f.schema) for f in schema.fields))
        return projection(plain, [(name, name) for name in self._fields], self._with_defaults)
