"""HoistField: the whole key or value becomes the one field of a struct or map.

Source: org.apache.kafka.connect.transforms.HoistField (Kafka 4.3.1).
"""

from __future__ import annotations

from typing import Any

from headwater.worker.api import Option, Options, Record, Schema, Values, struct

from .kept import Kept
from .key_or_value import KeyOrValue, OfKey, OfValue


class _HoistField(KeyOrValue):
    options = Options(Option("field", doc="The name of the new field."))

    def configure(self, values: Values) -> None:
        self._name: str = values["field"]
        self._schemas: Kept[Schema, Schema] = Kept(lambda schema: struct({self._name: schema}))

    def change(self, value: Any, schema: Schema | None, record: Record) -> tuple[Any, Schema | None]:
        return {self._name: value}, None if schema is None else self._schemas(schema)


class HoistFieldKey(OfKey, _HoistField):
    doc = "Wrap the key in a struct, or in a map where it has no schema."


class HoistFieldValue(OfValue, _HoistField):
    doc = "Wrap the value in a struct, or in a map where it has no schema."
