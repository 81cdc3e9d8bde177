"""ValueToKey: a new key from fields of the value.

Source: org.apache.kafka.connect.transforms.ValueToKey (Kafka 4.3.1).
"""

from __future__ import annotations

from headwater.worker.api import DataError, Field, Option, Options, OptionType, Record, Schema, Transform, Type, Values

from .kept import Kept
from .key_or_value import as_map, as_struct
from .null_defaults import REPLACE_NULL
from .projection import Projection, projection


def at_least_one(value: list[str]) -> str | None:
    return None if value else "must name at least one field"


class ValueToKey(Transform):
    """A tombstone has no fields: like Kafka's, this refuses it; put a predicate before it."""

    options = Options(
        Option("fields", OptionType.LIST, doc="Fields that make the key, in this order.", validate=at_least_one),
        REPLACE_NULL,
    )
    doc = "Make a new key from fields of the value."

    def configure(self, values: Values) -> None:
        self._fields: list[str] = values["fields"]
        self._with_defaults: bool = values["replace.null.with.default"]
        self._projections: Kept[Schema, Projection] = Kept(self._project)

    def apply(self, record: Record) -> Record:
        value, schema = record.value, record.value_schema
        try:
            if schema is None:
                fields = as_map(value)
                return record.replace(key={name: fields.get(name) for name in self._fields}, key_schema=None)
            row = as_struct(value, schema)
            made = self._projections(schema)
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
