"""Schemas in the form that Kafka Connect's JsonConverter puts before each payload.

Source: org.apache.kafka.connect.json.JsonConverter.{asJsonSchema,asConnectSchema} (Kafka 4.3.1); the order of keys is
Java's.
"""

from __future__ import annotations

from typing import Any

from headwater.worker.api import NO_DEFAULT, DataError, Field, Schema, Type

from .by_type import Choose, Node, has_default


def schema_to_json(schema: Schema, encode: Choose) -> dict[str, Any]:
    """What orjson has to write for it; `encode` writes the defaults."""
    form: dict[str, Any] = {"type": schema.type.value}
    if schema.type is Type.ARRAY:
        form["items"] = schema_to_json(_part(schema.value_schema), encode)
    elif schema.type is Type.MAP:
        form["keys"] = schema_to_json(_part(schema.key_schema), encode)
        form["values"] = schema_to_json(_part(schema.value_schema), encode)
    elif schema.type is Type.STRUCT:
        form["fields"] = [schema_to_json(f.schema, encode) | {"field": f.name} for f in schema.fields]
    form["optional"] = schema.optional
    if schema.name is not None:
        form["name"] = schema.name
    if schema.version is not None:
        form["version"] = schema.version
    if schema.doc is not None:
        form["doc"] = schema.doc
    if schema.parameters:
        form["parameters"] = dict(schema.parameters)
    if has_default(schema):
        form["default"] = Node(encode, schema, "default")(schema.default)
    return form


def _part(schema: Schema | None) -> Schema:
    if schema is None:
        raise DataError("an ARRAY or MAP schema says nothing about its items")
    return schema


def schema_from_json(form: Any, decode: Choose) -> Schema | None:
    """Raises `DataError`. Attributes of a wrong type are ignored, as in Java."""
    if form is None:
        return None
    if not isinstance(form, dict) or not isinstance(form.get("type"), str):
        raise DataError("a JSON schema has no field 'type'")
    try:
        kind = Type(form["type"])
    except ValueError:
        raise DataError(f"a JSON schema has the unknown type {form['type']!r}") from None
    name, version, doc = form.get("name"), form.get("version"), form.get("doc")
    schema = Schema(
        kind,
        optional=form.get("optional") is True,
        name=name if isinstance(name, str) else None,
        version=version if type(version) is int else None,
        doc=doc if isinstance(doc, str) else None,
        parameters=_parameters(form.get("parameters")),
        fields=_fields(form, decode) if kind is Type.STRUCT else (),
        key_schema=_inner(form, "keys", decode) if kind is Type.MAP else None,
        value_schema=_inner(form, "values" if kind is Type.MAP else "items", decode)
        if kind in (Type.ARRAY, Type.MAP)
        else None,
    )
    default = form.get("default", NO_DEFAULT)
    if default is None or default is NO_DEFAULT:
        return schema
    return schema.with_(default=Node(decode, schema, "default")(default))


def _inner(form: dict[str, Any], part: str, decode: Choose) -> Schema:
    schema = schema_from_json(form.get(part), decode)
    if schema is None:
        raise DataError(f"a JSON schema of type {form['type']} has no field '{part}'")
    return schema


def _fields(form: dict[str, Any], decode: Choose) -> tuple[Field, ...]:
    fields = form.get("fields")
    if not isinstance(fields, list):
        raise DataError("a JSON schema of type struct has no list 'fields'")
    made = []
    for field in fields:
        schema = schema_from_json(field, decode)
        if schema is None or not isinstance(field.get("field"), str):
            raise DataError("a field in a JSON schema of type struct has no name ('field')")
        made.append(Field(field["field"], schema))
    return tuple(made)


def _parameters(parameters: Any) -> dict[str, str]:
    if not isinstance(parameters, dict):
        return {}
    if any(not isinstance(value, str) for value in parameters.values()):
        raise DataError("a JSON schema has parameters that are not strings")
    return parameters
