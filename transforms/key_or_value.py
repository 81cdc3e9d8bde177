"""Transforms that exist twice, for the key and for the value: `Cast$Key`, `Cast$Value`."""

from __future__ import annotations

from typing import Any

from headwater.worker.api import DataError, Record, Schema, Transform, Type


class KeyOrValue(Transform):
    """`change` gets one part of a record, and its schema, and gives what becomes of them. It raises `DataError`."""

    def change(self, value: Any, schema: Schema | None, record: Record) -> tuple[Any, Schema | None]:
        raise AssertionError("each transform says what it does")


class OfKey(KeyOrValue):
    def apply(self, record: Record) -> Record:
        try:
            key, schema = self.change(record.key, record.key_schema, record)
        except DataError as error:
            raise DataError(f"{record.where()}: {_name(self)}: {error}") from error
        if key is record.key and schema is record.key_schema:
            return record
        return record.replace(key=key, key_schema=schema)


class OfValue(KeyOrValue):
    def apply(self, record: Record) -> Record:
        try:
            value, schema = self.change(record.value, record.value_schema, record)
        except DataError as error:
            raise DataError(f"{record.where()}: {_name(self)}: {error}") from error
        if value is record.value and schema is record.value_schema:
            return record
        return record.replace(value=value, value_schema=schema)


def _name(transform: Transform) -> str:
    name = type(transform).__name__
    return next((f"{name.removesuffix(part)}${part}" for part in ("Key", "Value") if name.endswith(part)), name)


def as_struct(value: Any, schema: Schema) -> dict[str, Any]:
    if schema.type is not Type.STRUCT or not isinstance(value, dict):
        kind = "null" if value is None else schema.type.name
        raise DataError(f"needs a struct, and this is {kind}")
    return value


def as_map(value: Any) -> dict[str, Any]:
    """Of a record without a schema."""
    if not isinstance(value, dict):
        kind = "null" if value is None else f"a {type(value).__name__}"
        raise DataError(f"needs a map, and this is {kind}")
    return value
