"""TruncateFields: the beginning of texts and bytes alone. Headwater's own: Kafka Connect has no such transform."""

from __future__ import annotations

from typing import Any

from headwater.connectors.debezium.placeholder import is_placeholder
from headwater.worker.api import (
    DataError,
    Option,
    Options,
    OptionType,
    Record,
    Schema,
    Transform,
    Type,
    Values,
    at_least,
)

from .field_paths import changed_record, changed_row_schema, changed_value, paths, some_fields
from .kept import Kept


class TruncateFields(Transform):
    """Of change events the rows in `before` and `after`. The placeholder of an unchanged large value stays."""

    options = Options(
        Option("fields", OptionType.LIST, doc="Fields of the row; those within others as outer.inner.",
               validate=some_fields, importance="high"),
        Option("length", OptionType.INT, doc="How many characters, or bytes, stay.", validate=at_least(0),
               importance="high"),
    )  # fmt: skip
    doc = "Cut texts and bytes of the value."

    def configure(self, values: Values) -> None:
        self._fields = paths(values["fields"])
        self._length: int = values["length"]
        self._schemas: Kept[Schema, Schema] = Kept(self._changed)

    def apply(self, record: Record) -> Record:
        return changed_record(record, "TruncateFields", self._fields, self._schemas, self._row)

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        for path in self._fields:
            row = changed_value(row, path, self._cut)
        return row

    def _cut(self, value: Any) -> Any:
        if not isinstance(value, str | bytes):
            raise DataError(f"a {type(value).__name__} cannot be cut, only texts and bytes")
        return value if is_placeholder(value) else value[: self._length]

    def _changed(self, schema: Schema) -> Schema:
        return changed_row_schema(schema, self._fields, self._marked)

    def _marked(self, schema: Schema) -> Schema:
        if schema.type not in (Type.STRING, Type.BYTES) or (schema.name is not None and schema.type is Type.BYTES):
            raise DataError(f"a field of type {schema.name or schema.type.value} cannot be cut, only texts and bytes")
        # cut JSON is no JSON, nor is a cut time one: a mere text
        return schema.with_(
            name=None, version=None, parameters={**schema.parameters, "truncateLength": str(self._length)}
        )
