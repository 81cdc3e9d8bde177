"""HeaderFrom: fields of the key or the value become headers.

Source: org.apache.kafka.connect.transforms.HeaderFrom (Kafka 4.3.1). A field that the schema does not have is an error
that says so; in Java it is a NullPointerException.
"""

from __future__ import annotations

from typing import Any

from headwater.worker.api import (
    ConfigError,
    DataError,
    Header,
    Option,
    Options,
    OptionType,
    Problem,
    Record,
    Schema,
    Transform,
    Values,
)

from .insert_header import not_ours
from .kept import Kept
from .key_or_value import as_map, as_struct
from .null_defaults import REPLACE_NULL, defaults_of, filled
from .projection import Projection, projection
from .value_to_key import at_least_one


class _HeaderFrom(Transform):
    options = Options(
        Option("fields", OptionType.LIST, doc="Names of fields.", validate=at_least_one, importance="high"),
        Option("headers", OptionType.LIST, doc="Names of their headers, in the same order.",
               validate=lambda names: at_least_one(names) or not_ours(names),
               importance="high"),
        Option("operation", doc="`move`: the fields go; `copy`: they stay.", choices=("move", "copy"),
               importance="high"),
        REPLACE_NULL,
    )  # fmt: skip

    def configure(self, values: Values) -> None:
        names: list[str] = values["headers"]
        self._fields: list[str] = values["fields"]
        if len(names) != len(self._fields):
            raise ConfigError([Problem("headers", "must be as many as fields", value=",".join(names))])
        self._names = names
        self._moves = values["operation"] == "move"
        self._with_defaults: bool = values["replace.null.with.default"]
        self._shapes: Kept[Schema, tuple[dict[str, Any], Projection, list[Schema]]] = Kept(self._shape)

    def _shape(self, schema: Schema) -> tuple[dict[str, Any], Projection, list[Schema]]:
        """Defaults, what is left of a row, and the headers' schemas."""
        found = [(name, schema.get(name)) for name in self._fields]
        if missing := [name for name, of_field in found if of_field is None]:
            raise DataError(f"there is no field {missing[0]!r}")
        kept = [(field.name, field.name) for field in schema.fields if field.name not in self._fields]
        left = projection(schema, kept, replace_null_with_default=False)
        return defaults_of(schema, self._with_defaults), left, [s for _, s in found if s is not None]

    def _taken(
        self, value: Any, schema: Schema | None, record: Record
    ) -> tuple[Any, Schema | None, tuple[Header, ...]]:
        """The part of the record as it is left, and all headers. Raises `DataError`."""
        try:
            if schema is None:
                return self._from_map(as_map(value), record)
            row = as_struct(value, schema)
            defaults, left, schemas = self._shapes(schema)
        except DataError as error:
            raise DataError(f"{record.where()}: HeaderFrom: {error}") from error
        full = filled(row, defaults)
        added = [Header(n, full.get(f), s) for n, f, s in zip(self._names, self._fields, schemas, strict=True)]
        headers = (*record.headers, *added)
        return (left(full), left.schema, headers) if self._moves else (value, schema, headers)

    def _from_map(self, value: dict[str, Any], record: Record) -> tuple[Any, None, tuple[Header, ...]]:
        added = [Header(n, value.get(f)) for n, f in zip(self._names, self._fields, strict=True)]
        if self._moves:
            value = {name: v for name, v in value.items() if name not in self._fields}
        return value, None, (*record.headers, *added)


class HeaderFromKey(_HeaderFrom):
    doc = "Move or copy fields of the key into headers."

    def apply(self, record: Record) -> Record:
        key, schema, headers = self._taken(record.key, record.key_schema, record)
        return record.replace(key=key, key_schema=schema, headers=headers)


class HeaderFromValue(_HeaderFrom):
    doc = "Move or copy fields of the value into headers."

    def apply(self, record: Record) -> Record:
        value, schema, headers = self._taken(record.value, record.value_schema, record)
        return record.replace(value=value, value_schema=schema, headers=headers)
