"""ReplaceField: drop, keep or rename fields of the key or the value.

Source: org.apache.kafka.connect.transforms.ReplaceField (Kafka 4.3.1).
"""

from __future__ import annotations

from typing import Any

from headwater.worker.api import Option, Options, OptionType, Record, Schema, Unsupported, Values

from .kept import Kept
from .key_or_value import KeyOrValue, OfKey, OfValue, as_map, as_struct
from .null_defaults import REPLACE_NULL
from .projection import Projection, projection


def _pairs(mappings: list[str]) -> str | None:
    wrong = [m for m in mappings if len(m.split(":")) != 2 or not all(m.split(":"))]
    return f"must be pairs old:new, and {wrong[0]!r} is not" if wrong else None


class _ReplaceField(KeyOrValue):
    options = Options(
        Option("exclude", OptionType.LIST, [], "Fields to drop; this counts before `include`."),
        Option("include", OptionType.LIST, [], "Fields to keep; empty: all."),
        Option("renames", OptionType.LIST, [], "Fields to rename, as `old:new,old:new`.", validate=_pairs),
        REPLACE_NULL,
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

    def change(self, value: Any, schema: Schema | None, record: Record) -> tuple[Any, Schema | None]:
        if value is None:
            return value, schema
        if schema is None:
            fields = as_map(value)
            return {self._renames.get(name, name): v for name, v in fields.items() if self._keeps(name)}, None
        row = as_struct(value, schema)
        made = self._projections(schema)
        return made(row), made.schema


class ReplaceFieldValue(OfValue, _ReplaceField):
    doc = "Drop, keep or rename fields of the value."


class ReplaceFieldKey(OfKey, _ReplaceField):
    doc = "Drop, keep or rename fields of the key."
