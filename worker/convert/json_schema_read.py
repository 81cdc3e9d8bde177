"""JSON Schemas to Connect schemas.

Source: io.confluent.connect.json.JsonSchemaData.toConnectSchema (8.x), JSON Schema drafts 4 to 2020-12.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from headwater.worker.api import DECIMAL, DataError, Field, Schema, Type

from .by_type import Choose, Node
from .json_schema_form import ENUM, ONE_OF, JsonSchemaSettings

__all__ = ["connect_schema"]

log = logging.getLogger(__name__)

_NUMBERS: Final = {
    "int8": Type.INT8,
    "int16": Type.INT16,
    "int32": Type.INT32,
    "int64": Type.INT64,
    "float32": Type.FLOAT32,
    "float64": Type.FLOAT64,
    "bytes": Type.BYTES,
}
_NULL: Final = {"type": "null"}
_OBJECT: Final = ("properties", "additionalProperties", "required", "patternProperties")
_DEEPEST: Final = 100


def connect_schema(
    form: Any, used: Mapping[str, Any], settings: JsonSchemaSettings, decode: Choose, version: int | None
) -> Schema:
    """`used`: schemas that this one refers to, by name. `version`: where it says none itself. Raises `DataError`."""
    return _Schemas(form, used, settings, decode).of(form, version=version)


class _Schemas:
    def __init__(self, root: Any, used: Mapping[str, Any], settings: JsonSchemaSettings, decode: Choose) -> None:
        self._root = root
        self._used = used
        self._settings = settings
        self._decode = decode
        self._open: list[str] = []
        self._document = [root]

    def of(self, form: Any, optional: bool = False, version: int | None = None) -> Schema:
        if not isinstance(form, dict) or not form.keys() - {"$schema", "$id", "id", "definitions", "$defs"}:
            raise DataError("a JSON Schema allows anything in one place, which has no type in Connect")
        if "$ref" in form:
            return self._referred(form["$ref"], optional, version)
        if isinstance(form.get("type"), list):
            form = {"oneOf": [{**form, "type": kind} for kind in form["type"]]}
        for word in ("oneOf", "anyOf"):
            if word in form:
                parts = form[word]
                return self._one_of(form, parts, optional, version)
        if "allOf" in form:
            return self._all_of(form, optional, version)
        return self._described(self._base(form), form, optional, version)

    def _referred(self, reference: str, optional: bool, version: int | None) -> Schema:
        name, _, pointer = reference.partition("#")
        place = f"{id(self._document[-1])}{reference}"
        if place in self._open or len(self._open) > _DEEPEST:
            raise DataError(f"the JSON Schema {reference!r} holds itself, which Connect's schemas cannot")
        document = self._document[-1]
        if name:
            document = self._named(name)
        self._open.append(place)
        self._document.append(document)
        try:
            return self.of(_found(document, pointer, reference), optional, version)
        finally:
            self._document.pop()
            self._open.pop()

    def _named(self, name: str) -> Any:
        for known, form in self._used.items():
            if name in (known, form.get("$id") if isinstance(form, dict) else None):
                return form
        if isinstance(self._root, dict) and name == self._root.get("$id"):
            return self._root
        raise DataError(f"a JSON Schema refers to {name!r}, which is none of its references in the registry")

    def _one_of(self, form: dict[str, Any], parts: list[Any], optional: bool, version: int | None) -> Schema:
        others = [part for part in parts if not _is_null(part)]
        if len(others) == 1 and (len(parts) == 2 or self._settings.flatten):
            return self.of(others[0], optional or len(parts) > 1, version)
        fields = tuple(Field(f"{ONE_OF}.field.{n}", self.of(part, True)) for n, part in enumerate(others))
        schema = Schema(Type.STRUCT, optional=len(others) < len(parts), name=ONE_OF, fields=fields)
        return self._described(schema, form, optional, version)

    def _all_of(self, form: dict[str, Any], optional: bool, version: int | None) -> Schema:
        """The fields of all parts together; where none has fields, the part that says most."""
        properties: dict[str, Any] = {}
        required: set[str] = set()
        parts = [*form["allOf"], {key: value for key, value in form.items() if key in ("properties", "required")}]
        followed: set[str] = set()
        for part in parts:
            self._collect(part, properties, required, followed, 0)
        if properties:
            fields = tuple(self._field(name, part, required) for name, part in properties.items())
            return Schema(Type.STRUCT, optional=optional, fields=fields)
        for wanted in (("oneOf", "anyOf", "allOf"), ("type",), ("enum",), ("$ref",)):
            for part in form["allOf"]:
                if isinstance(part, dict) and any(word in part for word in wanted):
                    return self.of(part, optional, version)
        raise DataError("a JSON Schema has an allOf that says nothing of a type")

    def _collect(
        self, form: Any, properties: dict[str, Any], required: set[str], followed: set[str], depth: int
    ) -> None:
        """`followed`: references that have been, so that two of each in each do not double with every step."""
        if not isinstance(form, dict) or depth > _DEEPEST:
            return
        if "$ref" in form and form["$ref"] not in followed:
            followed.add(form["$ref"])
            name, _, pointer = form["$ref"].partition("#")
            document = self._named(name) if name else self._document[-1]
            self._collect(_found(document, pointer, form["$ref"]), properties, required, followed, depth + 1)
        for part in form.get("allOf", ()):
            self._collect(part, properties, required, followed, depth + 1)
        properties.update(form.get("properties") or {})
        required.update(form.get("required") or ())

    def _base(self, form: dict[str, Any]) -> Schema:
        kind, noted = form.get("type"), form.get("connect.type")
        if ("enum" in form or "const" in form) and kind in (None, "string"):
            values = form["enum"] if "enum" in form else [form["const"]]
            symbols = [
                "<NULL>" if value is None else value if isinstance(value, str) else str(value) for value in values
            ]
            return Schema(Type.STRING, parameters={ENUM: "", **{f"{ENUM}.{symbol}": symbol for symbol in symbols}})
        if kind == "boolean":
            return Schema(Type.BOOLEAN)
        if kind in ("integer", "number"):
            if noted is None:
                return Schema(Type.INT64 if kind == "integer" else Type.FLOAT64)
            if noted not in _NUMBERS:
                raise DataError(f"a JSON Schema has the connect.type {noted!r}, which is none of {', '.join(_NUMBERS)}")
            return Schema(_NUMBERS[noted])
        if kind == "string":
            return Schema(Type.BYTES if noted == "bytes" else Type.STRING)
        if kind == "array":
            return self._array(form, noted)
        if kind == "object" or (kind is None and any(word in form for word in _OBJECT)):
            return self._object(form, noted)
        raise DataError(f"a JSON Schema has the type {kind!r}, which has no counterpart in Connect")

    def _array(self, form: dict[str, Any], noted: Any) -> Schema:
        items = form.get("items")
        if not isinstance(items, dict):
            raise DataError("a JSON Schema of type array says nothing of its items, or of each one something else")
        if noted == "map" and "properties" in items:
            key, value = self.of(items["properties"]["key"]), self.of(items["properties"]["value"])
            return Schema(Type.MAP, key_schema=key, value_schema=value)
        return Schema(Type.ARRAY, value_schema=self.of(items))

    def _object(self, form: dict[str, Any], noted: Any) -> Schema:
        if noted == "map":
            values = self.of(form.get("additionalProperties"))
            return Schema(Type.MAP, key_schema=Schema(Type.STRING), value_schema=values)
        properties = form.get("properties") or {}
        required = set(form.get("required") or ())
        indexes = {name: _index(part, at) for at, (name, part) in enumerate(properties.items())}
        names = sorted(properties, key=indexes.__getitem__)
        return Schema(Type.STRUCT, fields=tuple(self._field(name, properties[name], required) for name in names))

    def _field(self, name: str, form: Any, required: set[str]) -> Field:
        return Field(name, self.of(form, self._settings.optional_unless_required and name not in required))

    def _described(self, schema: Schema, form: dict[str, Any], optional: bool, version: int | None) -> Schema:
        changes: dict[str, Any] = {}
        if schema.name is None and isinstance(form.get("title"), str):
            changes["name"] = form["title"]
        noted = form.get("connect.version", version)
        if noted is not None:
            changes["version"] = noted
        if isinstance(form.get("description"), str):
            changes["doc"] = form["description"]
        parameters = form.get("connect.parameters")
        if isinstance(parameters, dict):
            changes["parameters"] = {**schema.parameters, **{key: str(text) for key, text in parameters.items()}}
        if optional:
            changes["optional"] = True
        schema = schema.with_(**changes) if changes else schema
        if schema.name == DECIMAL and "scale" not in schema.parameters:
            schema = schema.with_(name=None)  # a title alone makes no Decimal
        if form.get("default") is None:
            return schema
        try:
            return schema.with_(default=Node(self._decode, schema, "default")(form["default"]))
        except DataError as error:
            log.warning("the default of %s in a JSON Schema is none of its type and is ignored: %s", schema.name, error)
            return schema


def _is_null(form: Any) -> bool:
    return isinstance(form, dict) and form.get("type") == _NULL["type"]


def _index(form: Any, at: int) -> int:
    found = form.get("connect.index") if isinstance(form, dict) else None
    return found if type(found) is int else at


def _found(document: Any, pointer: str, reference: str) -> Any:
    """What a JSON pointer (RFC 6901), or an anchor, leads to."""
    if pointer and not pointer.startswith("/"):
        for name in ("definitions", "$defs"):
            for form in (document.get(name) or {}).values() if isinstance(document, dict) else ():
                if isinstance(form, dict) and pointer in (form.get("$anchor"), str(form.get("$id", "")).lstrip("#")):
                    return form
        raise DataError(f"a JSON Schema refers to {reference!r}, which is not there")
    for step in pointer.split("/")[1:]:
        step = unquote(step).replace("~1", "/").replace("~0", "~")
        try:
            document = document[int(step)] if isinstance(document, list) else document[step]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise DataError(f"a JSON Schema refers to {reference!r}, which is not there") from error
    return document
