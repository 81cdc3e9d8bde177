"""ExtractField: one field becomes the whole key or value.

Source: org.apache.kafka.connect.transforms.ExtractField (Kafka 4.3.1).
"""

from __future__ import annotations

from typing import Any

from headwater.worker.api import ConfigError, DataError, Option, Options, Problem, Record, Schema, Values

from .field_syntax import FIELD_SYNTAX, FieldPath, parse_path
from .kept import Kept
from .key_or_value import KeyOrValue, OfKey, OfValue, as_map, as_struct
from .null_defaults import REPLACE_NULL


class _ExtractField(KeyOrValue):
    options = Options(Option("field", doc="The field's name, or the way to it."), REPLACE_NULL, FIELD_SYNTAX)

    def configure(self, values: Values) -> None:
        try:
            self._path: FieldPath = parse_path(values["field"], values["field.syntax.version"])
        except ValueError as error:
            raise ConfigError([Problem("field", str(error), value=values["field"])]) from error
        self._named: str = values["field"]
        self._with_defaults: bool = values["replace.null.with.default"]
        self._schemas: Kept[Schema, Schema] = Kept(self._schema)

    def _schema(self, schema: Schema) -> Schema:
        found = self._path.schema(schema)
        if found is None:
            raise DataError(f"there is no field {self._named!r}")
        return found

    def change(self, value: Any, schema: Schema | None, record: Record) -> tuple[Any, Schema | None]:
        if schema is None:
            return None if value is None else self._path.value(as_map(value)), None
        if value is None:
            return None, self._schemas(schema)
        as_struct(value, schema)
        found = self._schemas(schema)
        return self._path.value_of(value, schema, self._with_defaults), found


class ExtractFieldKey(OfKey, _ExtractField):
    doc = "Take one field of the key for the whole key."


class ExtractFieldValue(OfValue, _ExtractField):
    doc = "Take one field of the value for the whole value."
