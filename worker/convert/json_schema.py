"""Confluent's JsonSchemaConverter: JSON with its schemas, JSON Schemas, in a registry.

Sources: io.confluent.connect.json.{JsonSchemaConverter,JsonSchemaData,JsonSchemaDataConfig} (8.x).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from headwater.worker.api import (
    DataError,
    Option,
    Options,
    OptionType,
    Schema,
    SchemaAndValue,
    Type,
    Unsupported,
    Values,
)

from .by_type import Node, has_default
from .json_decode import NotExact, loads, loads_exact
from .json_encode import dumps
from .json_schema_form import JsonSchemaSettings, is_union, json_schema_form
from .json_schema_read import connect_schema
from .json_schema_values import json_schema_decoder, json_schema_encoder
from .registered import RegistryConverter
from .registry import Text
from .registry_options import REGISTRY
from .schema_formats import Form, Read, Write

__all__ = ["JsonSchemaConverter"]

_START: Final = 5
_JAVA: Final = "it is about Java classes"
_OWN: Final = Options(
    Option("object.additional.properties", OptionType.BOOLEAN, True, "Let schemas allow properties that they do not "
           "name."),
    Option("use.optional.for.nonrequired", OptionType.BOOLEAN, False, "Read fields as optional that a schema does not "
           "require."),
    Option("decimal.format", OptionType.STRING, "BASE64", "How Decimals are written: the bytes of the unscaled number, "
           "or a JSON number.", choices=("BASE64", "NUMERIC"), importance="low"),
    Option("ignore.default.for.nullables", OptionType.BOOLEAN, False, "Write null where an optional field is null, "
           "not its default."),
    Option("flatten.singleton.unions", OptionType.BOOLEAN, True, "Read a oneOf of one schema as that one.",
           importance="low"),
    Unsupported("generalized.sum.type.support", "unions and enums look as JSON Schema's", harmless=("false",)),
    Unsupported("ignore.modern.dialects", "all dialects are read alike", harmless=("true", "false")),
    Unsupported("preserve.additional.properties", "properties without a schema are dropped", harmless=("false",)),
    Unsupported("json.fail.invalid.schema", "what is written fits its schema", harmless=("false",)),
    Unsupported("json.fail.unknown.properties", _JAVA, harmless=("true", "false")),
    Unsupported("json.write.dates.iso8601", "dates are numbers, as in Confluent's converter", harmless=("false",)),
    Unsupported("json.indent.output", "JSON is written on one line", harmless=("false",)),
    Unsupported(r"json\..+", _JAVA, pattern=True),
)  # fmt: skip


class JsonSchemaConverter(RegistryConverter):
    doc = "JSON, with its schemas in a schema registry."
    options = REGISTRY + _OWN

    def configure(self, values: Values, is_key: bool) -> None:
        """Raises `ConfigError`."""
        self.use(JsonSchemaFormat(values), values, is_key)


class JsonSchemaFormat:
    kind = "JSON"

    def __init__(self, values: Values) -> None:
        self._settings = JsonSchemaSettings(
            decimal_as_number=values["decimal.format"] == "NUMERIC",
            additional=values["object.additional.properties"],
            optional_unless_required=values["use.optional.for.nonrequired"],
            flatten=values["flatten.singleton.unions"],
        )
        self._encode = json_schema_encoder(self._settings.decimal_as_number, not values["ignore.default.for.nullables"])
        self._decode = json_schema_decoder()
        self._size: int = values["schemas.cache.config"]
        self._schemas: dict[Schema, Schema] = {}

    def form_of(self, schema: Schema | None) -> Form:
        if schema is None:
            raise DataError("a value without a schema has no JSON Schema; JsonConverter writes it")
        form = json_schema_form(schema, self._settings, self._encode)
        return Form(Text(self.kind, dumps(form).decode()), None, form.get("title"))

    def parsed(self, text: Text) -> Form:
        form = _from_json(text)
        return Form(text, form, form.get("title") if isinstance(form, dict) else None)

    def write_as(self, schema: Schema | None, form: Form, strict: bool) -> Write:
        if schema is None:
            raise DataError("a value without a schema has no JSON Schema; JsonConverter writes it")
        if strict and form.parsed is not None:  # another than the records' own
            settings = replace(self._settings, optional_unless_required=True)  # what it requires is not optional
            _compare(schema, connect_schema(form.parsed, _used(form.text), settings, self._decode, None), "")
        encode = Node(self._encode, schema)
        return lambda value: dumps(encode(value))

    def read_as(self, text: Text, version: int | None) -> Read:
        schema = connect_schema(_from_json(text), _used(text), self._settings, self._decode, version)
        if len(self._schemas) >= self._size:
            self._schemas.clear()
        schema = self._schemas.setdefault(schema, schema)
        decode = Node(self._decode, schema)

        def decoded(data: bytes) -> SchemaAndValue:
            body = data[_START:]
            try:
                return SchemaAndValue(schema, decode(loads(body)))
            except NotExact:
                return SchemaAndValue(schema, decode(loads_exact(body)))

        return decoded


def _from_json(text: Text) -> Any:
    try:
        return loads_exact(text.text.encode())
    except DataError as error:
        raise DataError(f"a JSON Schema in the registry is not JSON: {error}") from error


def _used(text: Text) -> dict[str, Any]:
    """All schemas that this one refers to, by the names that it has for them."""
    found: dict[str, Any] = {}
    for name, used in text.references:
        found |= _used(used)
        found[name] = _from_json(used)
    return found


_WHOLE: Final = (Type.INT8, Type.INT16, Type.INT32, Type.INT64)
_FRACTIONS: Final = (Type.FLOAT32, Type.FLOAT64)
_ALIKE: Final = (
    (_WHOLE, (*_WHOLE, *_FRACTIONS)),
    (_FRACTIONS, _FRACTIONS),
    ((Type.BYTES,), (Type.STRING,)),
)


def _compare(ours: Schema, theirs: Schema, path: str) -> None:
    """Raises `DataError` where values of `ours` are none of `theirs`, in which what is not required is optional."""
    if is_union(ours) or is_union(theirs):
        return
    alike = ours.type is theirs.type or any(ours.type in taken and theirs.type in taking for taken, taking in _ALIKE)
    if not alike:
        where = f"field {path}" if path else "the value"
        raise DataError(f"{where} is of type {ours.type.name}, and the registry's schema says {theirs.type.name}")
    names = {field.name for field in ours.fields}
    for field in theirs.fields if ours.type is Type.STRUCT else ():
        if field.name not in names and not field.schema.optional and not has_default(field.schema):
            within = f"field {path} has" if path else "the value has"
            raise DataError(f"{within} no field {field.name!r}, which the registry's schema requires")
    for field in ours.fields:
        other = theirs.get(field.name)
        if other is not None:
            _compare(field.schema, other, f"{path}.{field.name}" if path else field.name)
    if ours.value_schema is not None and theirs.value_schema is not None:
        _compare(ours.value_schema, theirs.value_schema, f"{path}[]")
