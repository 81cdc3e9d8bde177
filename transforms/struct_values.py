"""Fields of a row with or without a schema, read as Java's Struct reads them."""

from __future__ import annotations

from typing import Any

from headwater.worker.api import NO_DEFAULT, DataError, Schema


def field_schema(schema: Schema | None, row: dict[str, Any], name: str) -> Schema | None:
    """None where rows have no schemas. Raises `DataError` where there is no such field."""
    found = None if schema is None else schema.get(name)
    if found is None and (schema is not None or name not in row):
        raise DataError(f"there is no field {name}")
    return found


def value_of(row: dict[str, Any], name: str, schema: Schema | None) -> Any:
    """The field's default stands for null. `schema`: the field's own."""
    value = row.get(name)
    if value is None and schema is not None and schema.default is not NO_DEFAULT:
        return schema.default
    return value
