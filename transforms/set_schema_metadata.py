"""SetSchemaMetadata: another name or version for the schema of the key or the value.

Source: org.apache.kafka.connect.transforms.SetSchemaMetadata (Kafka 4.3.1).
"""

from __future__ import annotations

from typing import Any

from headwater.worker.api import (
    ConfigError,
    DataError,
    Option,
    Options,
    OptionType,
    Problem,
    Record,
    Schema,
    Type,
    Values,
)

from .kept import Kept
from .key_or_value import KeyOrValue, OfKey, OfValue
from .null_defaults import REPLACE_NULL, defaults_of, filled


class _SetSchemaMetadata(KeyOrValue):
    options = Options(
        Option("schema.name", default=None, doc="The schema's new name.", importance="high"),
        Option("schema.version", OptionType.INT, None, "The schema's new version.", importance="high"),
        REPLACE_NULL,
    )

    def configure(self, values: Values) -> None:
        given = {"name": values["schema.name"], "version": values["schema.version"]}
        self._given = {name: value for name, value in given.items() if value is not None}
        if not self._given:
            raise ConfigError([Problem("schema.name", "neither name nor version is set", "set one of them")])
        self._with_defaults: bool = values["replace.null.with.default"]
        self._shapes: Kept[Schema, tuple[Schema, dict[str, Any]]] = Kept(self._shape)

    def _shape(self, schema: Schema) -> tuple[Schema, dict[str, Any]]:
        return schema.with_(**self._given), defaults_of(schema, self._with_defaults)

    def change(self, value: Any, schema: Schema | None, record: Record) -> tuple[Any, Schema | None]:
        if schema is None:
            if value is None:
                return value, schema
            raise DataError("needs a schema, and this has none")
        made, defaults = self._shapes(schema)
        if schema.type is Type.STRUCT and isinstance(value, dict):
            value = filled(value, defaults)
        return value, made


class SetSchemaMetadataKey(OfKey, _SetSchemaMetadata):
    doc = "Give the key's schema another name or version."


class SetSchemaMetadataValue(OfValue, _SetSchemaMetadata):
    doc = "Give the value's schema another name or version."
