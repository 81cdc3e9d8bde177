"""Connect schemas as JSON Schema (draft 7), as Confluent's JsonSchemaConverter writes them.

Source: io.confluent.connect.json.JsonSchemaData.rawSchemaFromConnectSchema (8.x). What JSON Schema has no word for
travels as `connect.type`, `connect.version`, `connect.parameters` and `connect.index`, the order of a struct's fields.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from headwater.worker.api import DECIMAL, DataError, Schema, Type

from .by_type import Choose, Node, has_default

__all__ = ["ENUM", "NAMESPACE", "ONE_OF", "JsonSchemaSettings", "has_text_keys", "is_union", "json_schema_form"]

NAMESPACE: Final = "io.confluent.connect.json"
ENUM: Final = f"{NAMESPACE}.Enum"
ONE_OF: Final = f"{NAMESPACE}.OneOf"
_NULL: Final = "<NULL>"
_DIALECT: Final = "http://json-schema.org/draft-07/schema#"
_SIMPLE: Final[dict[Type, dict[str, str]]] = {
    Type.INT8: {"type": "integer", "connect.type": "int8"},
    Type.INT16: {"type": "integer", "connect.type": "int16"},
    Type.INT32: {"type": "integer", "connect.type": "int32"},
    Type.INT64: {"type": "integer", "connect.type": "int64"},
    Type.FLOAT32: {"type": "number", "connect.type": "float32"},
    Type.FLOAT64: {"type": "number", "connect.type": "float64"},
    Type.BOOLEAN: {"type": "boolean"},
    Type.STRING: {"type": "string"},
    Type.BYTES: {"type": "string", "connect.type": "bytes"},
}


_ORDER: Final = (
    "type", "title", "description", "default", "connect.index", "connect.version", "connect.type",
    "connect.parameters",
)  # fmt: skip
"""Of the words in a schema, as Java writes them: a registry tells schemas apart by their text."""


@dataclass(frozen=True, slots=True)
class JsonSchemaSettings:
    """The converter's options that decide how schemas look."""

    decimal_as_number: bool = False
    additional: bool = True
    optional_unless_required: bool = False
    flatten: bool = True


def has_text_keys(schema: Schema) -> bool:
    """Is this MAP an object in JSON? All others are arrays of entries."""
    keys = schema.key_schema
    return keys is not None and keys.type is Type.STRING and not keys.optional


def is_union(schema: Schema) -> bool:
    return schema.type is Type.STRUCT and schema.name == ONE_OF


def json_schema_form(schema: Schema, settings: JsonSchemaSettings, encode: Choose) -> dict[str, Any]:
    """What orjson has to write for it; `encode` writes the defaults. Raises `DataError`."""
    form = _Forms(settings, encode).of(schema)
    # Apicurio takes a schema for one only if it says so, or has properties.
    return form if "properties" in form else {"$schema": _DIALECT, **form}


class _Forms:
    def __init__(self, settings: JsonSchemaSettings, encode: Choose) -> None:
        self._settings = settings
        self._encode = encode

    def of(self, schema: Schema, index: int | None = None, with_null: bool = True) -> dict[str, Any]:
        """`index`: the field's place in its struct. `with_null` False: without what makes it optional."""
        return _in_order(self._unordered(schema, index, with_null))

    def _unordered(self, schema: Schema, index: int | None, with_null: bool) -> dict[str, Any]:
        place = {} if index is None else {"connect.index": index}
        if is_union(schema):
            parts = [self.of(f.schema.with_(optional=False), n, False) for n, f in enumerate(schema.fields)]
            return {"oneOf": [{"type": "null"}, *parts] if schema.optional else parts, **place}
        if schema.optional and with_null:
            return {"oneOf": [{"type": "null"}, self.of(schema.with_(optional=False))], **place}
        form = self._base(schema)
        connect = {key: form.pop(key) for key in ("connect.type",) if key in form}
        if schema.name is not None:
            form["title"] = schema.name
        if schema.doc is not None:
            form["description"] = schema.doc
        if has_default(schema):
            form["default"] = Node(self._encode, schema, "default")(schema.default)
        if schema.version is not None:
            connect["connect.version"] = schema.version
        parameters = {key: text for key, text in schema.parameters.items() if not key.startswith(NAMESPACE)}
        if parameters:
            connect["connect.parameters"] = {name: parameters[name] for name in _hash_order(parameters)}
        return {**form, **connect, **place}

    def _base(self, schema: Schema) -> dict[str, Any]:
        if schema.type is Type.STRUCT:
            return self._struct(schema)
        if schema.type is Type.ARRAY:
            return {"type": "array", "items": self.of(_part(schema.value_schema))}
        if schema.type is Type.MAP:
            keys, values = _part(schema.key_schema), _part(schema.value_schema)
            if has_text_keys(schema):
                return {"type": "object", "additionalProperties": self.of(values), "connect.type": "map"}
            entry = {"type": "object", "properties": {"value": self.of(values, 1), "key": self.of(keys, 0)}}
            return {"type": "array", "items": entry, "connect.type": "map"}
        if schema.type is Type.STRING and ENUM in schema.parameters:
            symbols = [key[len(ENUM) + 1 :] for key in schema.parameters if key.startswith(f"{ENUM}.")]
            return {"enum": [None if symbol == _NULL else symbol for symbol in symbols]}
        if schema.name == DECIMAL and self._settings.decimal_as_number:
            return {"type": "number", "connect.type": "bytes"}
        return dict(_SIMPLE[schema.type])

    def _struct(self, schema: Schema) -> dict[str, Any]:
        known = {field.name: self.of(field.schema, index) for index, field in enumerate(schema.fields)}
        properties = {name: known[name] for name in _hash_order(known)}
        form: dict[str, Any] = {"type": "object", **({"properties": properties} if properties else {})}
        return form if self._settings.additional else {**form, "additionalProperties": False}


def _in_order(form: dict[str, Any]) -> dict[str, Any]:
    first = [word for word in _ORDER if word in form and not (word == "type" and form[word] == "boolean")]
    return {word: form[word] for word in (*first, *(word for word in form if word not in first))}


def _hash_order(names: Collection[str]) -> list[str]:
    """As java.util.HashMap goes through them: that is how Java's text lists properties."""
    size = 16
    while len(names) > size * 3 // 4:
        size *= 2

    def bucket(name: str) -> int:
        number = 0
        units = name.encode("utf-16-be", "surrogatepass")
        for at in range(0, len(units), 2):
            number = (number * 31 + (units[at] << 8) + units[at + 1]) & 0xFFFFFFFF
        return (number ^ number >> 16) & (size - 1)

    return sorted(names, key=bucket)


def _part(schema: Schema | None) -> Schema:
    if schema is None:
        raise DataError("an ARRAY or MAP schema says nothing about its items")
    return schema
