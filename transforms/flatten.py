"""Flatten: fields within fields become fields of the key or the value, under names joined by a delimiter.

Source: org.apache.kafka.connect.transforms.Flatten (Kafka 4.3.1). A field is optional where any struct around it is,
and takes the default that a struct around it gives it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from headwater.worker.api import NO_DEFAULT, DataError, Field, Option, Options, Record, Schema, Type, Values

from .kept import Kept
from .key_or_value import KeyOrValue, OfKey, OfValue, as_map, as_struct


class _Step(NamedTuple):
    """One field of a struct: a leaf with its new name and default, or a struct with steps of its own."""

    name: str
    flat: str
    default: Any
    inner: tuple[_Step, ...] | None


class _Shape(NamedTuple):
    schema: Schema
    steps: tuple[_Step, ...]
    empty: dict[str, None]


class _Flatten(KeyOrValue):
    options = Options(Option("delimiter", default=".", doc="What stands between the names."))

    def configure(self, values: Values) -> None:
        self._delimiter: str = values["delimiter"]
        self._shapes: Kept[Schema, _Shape] = Kept(self._shape)

    def _shape(self, schema: Schema) -> _Shape:
        if schema.type is not Type.STRUCT:
            raise DataError(f"needs a struct, and this is {schema.type.name}")
        fields: list[Field] = []
        steps = self._steps(schema, "", schema.optional, _default(schema), fields)
        names = [field.name for field in fields]
        if twice := [name for name in names if names.count(name) > 1]:
            raise DataError(f"two fields would be called {twice[0]!r}")
        made = schema.with_(fields=tuple(fields), optional=False, default=NO_DEFAULT)
        return _Shape(made, steps, dict.fromkeys(names))

    def _steps(
        self, schema: Schema, prefix: str, optional: bool, around: Any, fields: list[Field]
    ) -> tuple[_Step, ...]:
        """`around`: the default that the structs around give this one; new fields are added to `fields`."""
        steps = []
        for name, of_field in ((field.name, field.schema) for field in schema.fields):
            flat = self._joined(prefix, name)
            may_lack = optional or of_field.optional
            default = _default(of_field)
            if default is None and isinstance(around, dict):
                default = around.get(name)
            if of_field.type is Type.STRUCT:
                inner = self._steps(of_field, flat, may_lack, default, fields)
                steps.append(_Step(name, flat, None, inner))
                continue
            if of_field.type is Type.MAP:
                raise DataError(f"the field {flat} is a MAP, which has no fixed fields")
            changed = of_field.with_(optional=may_lack, default=NO_DEFAULT if default is None else default)
            fields.append(Field(flat, changed))
            steps.append(_Step(name, flat, _default(of_field), None))
        return tuple(steps)

    def _joined(self, prefix: str, name: str) -> str:
        return f"{prefix}{self._delimiter}{name}" if prefix else name

    def change(self, value: Any, schema: Schema | None, record: Record) -> tuple[Any, Schema | None]:
        if value is None:
            return value, schema
        if schema is None:
            row: dict[str, Any] = {}
            self._flatten_map(as_map(value), "", row)
            return row, None
        as_struct(value, schema)
        shape = self._shapes(schema)
        made: dict[str, Any] = dict(shape.empty)
        _fill(made, value, shape.steps)
        return made, shape.schema

    def _flatten_map(self, value: dict[str, Any], prefix: str, made: dict[str, Any]) -> None:
        for name, inner in value.items():
            flat = self._joined(prefix, name)
            if isinstance(inner, dict):
                self._flatten_map(inner, flat, made)
            else:
                made[flat] = inner


def _default(schema: Schema) -> Any:
    return None if schema.default is NO_DEFAULT else schema.default


def _fill(made: dict[str, Any], row: dict[str, Any], steps: tuple[_Step, ...]) -> None:
    for name, flat, default, inner in steps:
        found = row.get(name)
        if inner is None:
            made[flat] = default if found is None else found
        elif found is not None:
            _fill(made, found, inner)


class FlattenKey(OfKey, _Flatten):
    doc = "Make the key flat."


class FlattenValue(OfValue, _Flatten):
    doc = "Make the value flat."
