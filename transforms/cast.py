"""Cast: fields, or the whole key or value, as another type.

Source: org.apache.kafka.connect.transforms.Cast (Kafka 4.3.1).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from headwater.worker.api import (
    NO_DEFAULT,
    DataError,
    Field,
    Option,
    Options,
    OptionType,
    Record,
    Schema,
    Type,
    Values,
)

from .casting import TARGETS, Caster, caster
from .kept import Kept
from .key_or_value import KeyOrValue, OfKey, OfValue, as_map, as_struct
from .null_defaults import REPLACE_NULL, defaults_of, filled


class _Shape(NamedTuple):
    schema: Schema
    casters: tuple[tuple[str, Caster], ...]
    defaults: dict[str, Any]


def _parse(specs: list[str]) -> dict[str | None, Type]:
    """By field; None: the whole. Raises `ValueError`."""
    types = {kind.name.lower(): kind for kind in Type}
    made: dict[str | None, Type] = {}
    for spec in specs:
        name, colon, kind = spec.rpartition(":")
        target = types.get(kind.strip().lower())
        if ":" in name or target is None:
            raise ValueError(f"must be a type or pairs field:type, and {spec!r} is none")
        if target not in TARGETS:
            possible = ", ".join(target.name.lower() for target in TARGETS)
            raise ValueError(f"cannot cast to {kind.strip()}, only to {possible}")
        made[name.strip() if colon else None] = target
    if None in made and len(specs) > 1:
        raise ValueError("a type for the whole key or value cannot stand beside others")
    return made


def _wrong(specs: list[str]) -> str | None:
    try:
        return None if _parse(specs) else "must name at least one field or type"
    except ValueError as error:
        return str(error)


class _Cast(KeyOrValue):
    options = Options(
        Option(
            "spec",
            OptionType.LIST,
            doc="`field:type,field:type`, or one type for the whole: int8, int16, int32, int64, float32, float64, "
            "boolean, string. Bytes can be cast to string, which is base64, alone.",
            validate=_wrong,
            importance="high",
        ),
        REPLACE_NULL,
    )

    def configure(self, values: Values) -> None:
        types = _parse(values["spec"])
        self._whole = types.pop(None, None)
        self._types = {name: target for name, target in types.items() if name is not None}
        self._with_defaults: bool = values["replace.null.with.default"]
        self._shapes: Kept[Schema, _Shape] = Kept(self._shape)
        self._without_schema = {name: caster(None, target) for name, target in self._types.items()}

    def _shape(self, schema: Schema) -> _Shape:
        if self._whole is not None:
            cast = _checked(schema, self._whole)
            changed = Schema(self._whole, name=schema.name, version=schema.version, doc=schema.doc,
                             parameters=schema.parameters, optional=schema.optional)  # fmt: skip
            return _Shape(_with_default(changed, schema, cast), (("", cast),), {})
        fields = []
        casters = []
        for field in schema.fields:
            target = self._types.get(field.name)
            if target is None:
                fields.append(field)
                continue
            cast = _checked(field.schema, target)
            casters.append((field.name, cast))
            fields.append(Field(field.name, _field_schema(field, target, cast)))
        made = schema.with_(fields=tuple(fields))
        if isinstance(schema.default, dict):
            made = made.with_(default=_cast_row(schema.default, tuple(casters)))
        return _Shape(made, tuple(casters), defaults_of(schema, self._with_defaults))

    def change(self, value: Any, schema: Schema | None, record: Record) -> tuple[Any, Schema | None]:
        if value is None:
            return value, schema
        if schema is None:
            return self._change_without_schema(value), None
        if self._whole is None:
            as_struct(value, schema)
        shape = self._shapes(schema)
        if self._whole is not None:
            return shape.casters[0][1](value), shape.schema
        return _cast_row(filled(value, shape.defaults), shape.casters), shape.schema

    def _change_without_schema(self, value: Any) -> Any:
        if self._whole is not None:
            return _no_container(value, caster(None, self._whole))
        row = dict(as_map(value))
        for name, cast in self._without_schema.items():
            old = row.get(name)
            try:
                row[name] = None if old is None else _no_container(old, cast)
            except DataError as error:
                raise DataError(f"field {name}: {error}") from error
        return row


def _cast_row(row: dict[str, Any], casters: tuple[tuple[str, Caster], ...]) -> dict[str, Any]:
    made = dict(row)
    for name, cast in casters:
        old = row.get(name)
        if old is not None:
            try:
                made[name] = cast(old)
            except DataError as error:
                raise DataError(f"field {name}: {error}") from error
    return made


def _checked(schema: Schema, target: Type) -> Caster:
    if schema.type in (Type.ARRAY, Type.MAP, Type.STRUCT):
        return lambda value: _refuse(schema.type.name)
    return caster(schema, target)


def _no_container(value: Any, cast: Caster) -> Any:
    return _refuse(type(value).__name__) if isinstance(value, list | dict) else cast(value)


def _refuse(kind: str) -> Any:
    raise DataError(f"a value of type {kind} cannot be cast")


def _field_schema(field: Field, target: Type, cast: Caster) -> Schema:
    try:
        return _with_default(Schema(target, field.schema.optional), field.schema, cast)
    except DataError as error:
        raise DataError(f"field {field.name}: the default of its schema: {error}") from error


def _with_default(changed: Schema, old: Schema, cast: Caster) -> Schema:
    has_one = old.default is not NO_DEFAULT and old.default is not None
    return changed.with_(default=cast(old.default)) if has_one else changed


class CastKey(OfKey, _Cast):
    doc = "Cast fields of the key, or the whole key, to other types."


class CastValue(OfValue, _Cast):
    doc = "Cast fields of the value, or the whole value, to other types."
