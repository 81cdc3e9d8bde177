"""ReplaceField: drop, keep or rename fields of the key or the value.

Source: org.apache.kafka.connect.transforms.ReplaceField (Kafka 4.3.1).
"""

from __future__ import annotations

from typing import Any

from headwater.worker.api import DataError, Option, Options, OptionType, Record, Schema, Transform, Unsupported, Values

from .kept import Kept
from .projection import Projection, projection, require_map, require_struct


def _pairs(mappings: list[str]) -> str | None:
    wrong = [m for m in mappings if len(m.split(":")) != 2 or not all(m.split(":"))]
    return f"must be pairs old:new, and {wrong[0]!r} is not" if wrong else None


class _ReplaceField(Transform):
    options = Options(
        Option("exclude", OptionType.LIST, [], "Fields to drop; this counts before `include`."),
        Option("include", OptionType.LIST, [], "Fields to keep; empty: all."),
        Option("renames", OptionType.LIST, [], "Fields to rename, as `old:new,old:new`.", validate=_pairs),
        Option("replace.null.with.default", OptionType.BOOLEAN, True, "Put the default where a field is null."),
        Unsupported("blacklist", "removed in Kafka 4.0; use exclude"),
        Unsupported("whitelist", "removed in Kafka 4.0; use include"),
    )

    def configure(self, values: Values) -> None:
        self._exclude = frozenset(values["exclude"])
        self._include = frozenset(values["include"])
        self._renames = dict(mapping.split(":") for mapping in values["renames"])
        self._with_defaults: bool = values["replace.null.with.default"]
        self._projections: Kept[Schema, Projection] = Kept(self._project)

    def _project(self, schema: Schema) -> Projection:
        names = [field.name for field in schema.fields]
        pairs = [(self._renames.get(name, name), name) for name in names if self._keeps(name)]
        return projection(schema, pairs, self._with_defaults)

    def _keeps(self, name: str) -> bool:
        return name not in self._exclude and (not self._include or name in self._include)

    def _changed(self, value: Any, schema: Schema | None, record: Record) -> tuple[Any, Schema | None]:
        if schema is None:
            fields = require_map(value, record, "ReplaceField")
            return {self._renames.get(name, name): v for name, v in fields.items() if self._keeps(name)}, None
        row = require_struct(value, schema, record, "ReplaceField")
        try:
            made = self._projections(schema)
        except DataError as error:
            raise DataError(f"{record.where()}: ReplaceField: {error}") from error
        return made(row), made.schema


class ReplaceFieldValue(_ReplaceField):
    doc = "Drop, keep or rename fields of the value."

    def apply(self, record: Record) -> Record:
        if record.value is None:
            return record
        value, schema = self._changed(record.value, record.value_schema, record)
        return record.replace(value=value, value_schema=schema)


class ReplaceFieldKey(_ReplaceField):
    doc = "Drop, keep or rename fields of the key."

    def apply(self, record: Record) -> Record:
        if record.key is None:
            return record
        key, schema = self._changed(record.key, record.key_schema, record)
        return record.replace(key=key, key_schema=schema)
