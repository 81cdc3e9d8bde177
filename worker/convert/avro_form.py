"""Connect schemas as Avro schemas, in the form and order that Confluent's Avro converter registers them.

Source: io.confluent.connect.avro.AvroData.fromConnectSchema (8.x), org.apache.avro.Schema.toString. What Avro has no
word for (int8, optional defaults, names of types that are no records, versions, parameters) travels as properties
that begin with `connect.`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from headwater.worker.api import DATE, DECIMAL, TIME, TIMESTAMP, DataError, Field, Schema, Type

from .avro_names import (
    ANYTHING_FORM,
    DEFAULT_NAME,
    DEFAULT_PRECISION,
    ENUM,
    ENUM_DEFAULT,
    ENUM_DOC,
    FIELD_DEFAULT,
    FIELD_DOC,
    FIXED_SIZE,
    MAP_ENTRY,
    NAMESPACE,
    PRECISION,
    RECORD_DOC,
    check,
    has_text_keys,
    is_enum,
    is_fixed,
    is_union,
    scrubbed,
    split,
)
from .by_type import has_default
from .connect_decimal import scale_of, to_unscaled
from .java_text import double_text, float_text

__all__ = ["AvroSettings", "avro_form", "avro_text"]

_NO: Final = object()
_NAMES: Final = {
    Type.INT8: "int",
    Type.INT16: "int",
    Type.INT32: "int",
    Type.INT64: "long",
    Type.FLOAT32: "float",
    Type.FLOAT64: "double",
    Type.BOOLEAN: "boolean",
    Type.STRING: "string",
    Type.BYTES: "bytes",
}
_LOGICAL: Final = {TIME: "time-millis", TIMESTAMP: "timestamp-millis", DATE: "date"}


@dataclass(frozen=True, slots=True)
class AvroSettings:
    """The converter's options that decide how schemas and values look."""

    enhanced: bool = False
    scrub: bool = False
    meta: bool = True
    optional_keys: bool = False
    flatten: bool = True
    ignore_default: bool = False


def avro_form(schema: Schema | None, settings: AvroSettings) -> Any:
    """The Avro schema as JSON values, each named type defined where it first stands. Raises `DataError`."""
    return ANYTHING_FORM if schema is None else _rendered(_Forms(settings).of(schema), "", {})


def avro_text(form: Any) -> str:
    return json.dumps(form, ensure_ascii=False, separators=(",", ":"))


class _Forms:
    """One schema's way into Avro. Named types stand in full wherever they are used; `_rendered` makes references."""

    def __init__(self, settings: AvroSettings) -> None:
        self._settings = settings
        self._known: dict[Schema, Any] = {}
        self._seen: set[str] = set()
        self._unnamed = 0
        self._entries: list[Any] = []

    def of(self, schema: Schema, with_null: bool = True) -> Any:
        """`with_null` False: without the union that makes it optional."""
        if schema in self._known and not schema.optional and not is_union(schema):
            return self._known[schema]
        if schema.type is Type.STRUCT and (schema.optional or is_union(schema)):
            return self._union(schema)
        made: Any = {"type": _NAMES.get(schema.type)} | self._base(schema)
        self._describe(made, schema)
        if len(made) == 1:
            made = made["type"]
        if schema.optional and with_null:
            return [made, "null"] if has_default(schema) else ["null", made]
        if not schema.optional:
            self._known[schema] = made
        return made

    def _union(self, schema: Schema) -> list[Any]:
        made: list[Any] = ["null"] if schema.optional else []
        if not is_union(schema):
            return [*made, self.of(schema.with_(optional=False))]
        return made + [self.of(field.schema.with_(optional=False), False) for field in schema.fields]

    def _base(self, schema: Schema) -> dict[str, Any]:
        """What Avro itself says of the type."""
        if schema.type is Type.STRUCT:
            return self._record(schema)
        if schema.type is Type.ARRAY:
            return {"type": "array", "items": self.of(_part(schema.value_schema))}
        if schema.type is Type.MAP:
            if has_text_keys(schema, self._settings.optional_keys):
                return {"type": "map", "values": self.of(_part(schema.value_schema))}
            return {"type": "array", "items": self._entry(schema)}
        if schema.type is Type.BYTES:
            return self._bytes(schema)
        if self._settings.enhanced and is_enum(schema):
            return self._enumeration(schema)
        return {}

    def _bytes(self, schema: Schema) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if is_fixed(schema):
            made = {"type": "fixed", **self._named(schema.name), "size": int(schema.parameters[FIXED_SIZE])}
        if schema.name == DECIMAL:
            made |= {"scale": _scale(schema), "precision": int(schema.parameters.get(PRECISION, DEFAULT_PRECISION))}
        return made

    def _enumeration(self, schema: Schema) -> dict[str, Any]:
        self._next_unnamed(schema.name)
        namespace, name = split(schema.parameters[ENUM])
        symbols = [key[len(ENUM) + 1 :] for key in schema.parameters if key.startswith(f"{ENUM}.")]
        simple = split(schema.name or DEFAULT_NAME)[1]
        doc, default = schema.parameters.get(ENUM_DOC + simple), schema.parameters.get(ENUM_DEFAULT + simple)
        made = {"type": "enum", "name": check(name, "the enum")} | ({"namespace": namespace} if namespace else {})
        made |= {} if doc is None else {"doc": doc}
        return {**made, "symbols": symbols} | ({} if default is None else {"default": default})

    def _record(self, schema: Schema) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "record", **self._named(schema.name)}
        if RECORD_DOC in schema.parameters:
            made["doc"] = schema.parameters[RECORD_DOC]
        made["fields"] = [self._field(field, schema.parameters.get(FIELD_DOC + field.name)) for field in schema.fields]
        names = [field["name"] for field in made["fields"]]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"two fields of {schema.name or 'a struct'} are called {twice!r} in Avro")
        return made

    def _field(self, field: Field, doc: str | None) -> dict[str, Any]:
        schema = field.schema
        named = None if schema.name is None else ".".join(filter(None, split(schema.name, self._settings.scrub)))
        seen = named in self._seen
        if named is not None:
            self._seen.add(named)
        kind = self.of(schema)
        name = scrubbed(field.name) if self._settings.scrub else field.name
        made: dict[str, Any] = {"name": check(name, "the field"), "type": kind}
        if doc is not None:
            made["doc"] = doc
        if has_default(schema):
            default = self._default(schema, schema.default)
            if _fits(kind, default):
                made["default"] = default
        elif schema.optional:
            made["default"] = None
        parameters = self._parameters(schema)
        if self._settings.meta and seen and parameters and _is_named(kind):
            made["connect.parameters"] = parameters
        return made

    def _entry(self, schema: Schema) -> dict[str, Any]:
        """The record that stands for one entry of a map whose keys are no text."""
        fields = [
            self._field(Field(name, _part(part)), None)
            for name, part in (("key", schema.key_schema), ("value", schema.value_schema))
        ]
        if schema.name is not None:
            named = self._named(schema.name)
            return {"type": "record", **named, "fields": fields, "connect.internal.type": MAP_ENTRY}
        if fields not in self._entries:
            self._entries.append(fields)
        if (number := self._entries.index(fields)) == 0:
            return {"type": "record", "name": MAP_ENTRY, "namespace": NAMESPACE, "fields": fields}
        # Confluent's converter defines MapEntry once more here, which Avro refuses.
        name = {"name": f"{MAP_ENTRY}{number + 1}", "namespace": NAMESPACE}
        return {"type": "record", **name, "fields": fields, "connect.internal.type": MAP_ENTRY}

    def _named(self, name: str | None) -> dict[str, str]:
        number = self._next_unnamed(name)
        if name is None:
            name = DEFAULT_NAME + (str(number) if number > 1 else "")
        namespace, simple = split(name, self._settings.scrub)
        return {"name": check(simple, "the schema's name")} | ({"namespace": namespace} if namespace else {})

    def _next_unnamed(self, name: str | None) -> int:
        self._unnamed += name is None
        return self._unnamed

    def _describe(self, made: dict[str, Any], schema: Schema) -> None:
        """Adds what Connect knows beyond Avro, in the order of Confluent's converter."""
        if self._settings.meta:
            if schema.doc is not None:
                made["connect.doc"] = schema.doc
            if schema.version is not None:
                made["connect.version"] = schema.version
            if parameters := self._parameters(schema):
                made["connect.parameters"] = parameters
            if has_default(schema) and FIELD_DEFAULT not in schema.parameters:
                made["connect.default"] = self._default(schema, schema.default)
            if schema.name is not None:
                made["connect.name"] = schema.name
            if schema.type in (Type.INT8, Type.INT16):
                made["connect.type"] = schema.type.value
        if schema.name == DECIMAL:
            made["logicalType"] = "decimal"
        elif schema.name in _LOGICAL:
            made["logicalType"] = _LOGICAL[schema.name]
        made.update({key: text for key, text in schema.parameters.items() if key.startswith("avro")})

    @staticmethod
    def _parameters(schema: Schema) -> dict[str, str]:
        return {key: text for key, text in schema.parameters.items() if key != FIELD_DEFAULT}

    def _default(self, schema: Schema, value: Any) -> Any:
        """A default as Avro writes it in JSON. Raises `DataError`."""
        if value is None:
            return None
        try:
            return self._default_of(schema, value)
        except (AttributeError, TypeError, ValueError, KeyError) as error:
            kind = schema.name or schema.type.name
            raise DataError(f"the default of a schema of type {kind} cannot be written: {error!r}") from error

    def _default_of(self, schema: Schema, value: Any) -> Any:
        if isinstance(value, Decimal):
            return to_unscaled(value, _scale(schema)).decode("latin-1")
        if schema.type is Type.BYTES:
            return bytes(value).decode("latin-1")
        if schema.type in (Type.FLOAT32, Type.FLOAT64) and not math.isfinite(value):
            return double_text(value)  # JSON has no such numbers
        if schema.type is Type.FLOAT32:
            return float(float_text(value))
        if schema.type is Type.ARRAY:
            return [self._default(_part(schema.value_schema), item) for item in value]
        if schema.type is Type.MAP:
            keys, values = _part(schema.key_schema), _part(schema.value_schema)
            if has_text_keys(schema, self._settings.optional_keys):
                return {key: self._default(values, item) for key, item in value.items()}
            return [[self._default(keys, key), self._default(values, item)] for key, item in value.items()]
        if is_union(schema):
            field = schema.fields[0]
            return self._default(field.schema, value.get(field.name))
        if schema.type is Type.STRUCT:
            names = {f.name: scrubbed(f.name) if self._settings.scrub else f.name for f in schema.fields}
            return {names[f.name]: self._default(f.schema, value.get(f.name)) for f in schema.fields}
        return value


def _rendered(form: Any, namespace: str, defined: dict[str, Any]) -> Any:
    """With a reference in place of every named type but the first, and namespaces left out where they are inherited."""
    if isinstance(form, list):
        return [_rendered(part, namespace, defined) for part in form]
    if not isinstance(form, dict):
        return form
    form = dict(form)
    if form["type"] == "array":
        form["items"] = _rendered(form["items"], namespace, defined)
    elif form["type"] == "map":
        form["values"] = _rendered(form["values"], namespace, defined)
    elif "name" in form:
        own = form.get("namespace", "")
        full = f"{own}.{form['name']}" if own else form["name"]
        if full in defined:
            if defined[full] != form:
                raise DataError(
                    f"two different schemas are both called {full!r}, which Avro does not allow; give one of them "
                    "another name (SetSchemaMetadata)"
                )
            return form["name"] if own == namespace else full
        defined[full] = dict(form)
        if own == namespace:
            form.pop("namespace", None)
        elif not own:
            form = {"type": form.pop("type"), "name": form.pop("name"), "namespace": "", **form}
        if form["type"] == "record":
            form["fields"] = [{**f, "type": _rendered(f["type"], own, defined)} for f in form["fields"]]
    return form


def _fits(kind: Any, default: Any) -> bool:
    """Avro wants a default to be of the first branch of a union; Confluent's converter leaves out any other."""
    if isinstance(kind, list):
        return _fits(kind[0], default)
    name = kind["type"] if isinstance(kind, dict) else kind
    if name == "null" or default is None:
        return name == "null" and default is None
    if name == "record":
        return isinstance(default, dict) and all(
            _fits(f["type"], default[f["name"]]) if f["name"] in default else "default" in f for f in kind["fields"]
        )
    if name == "array":
        return isinstance(default, list) and all(_fits(kind["items"], item) for item in default)
    if name == "map":
        return isinstance(default, dict) and all(_fits(kind["values"], item) for item in default.values())
    if name in ("int", "long"):
        return type(default) is int
    if name in ("float", "double"):
        return type(default) in (int, float)
    return type(default) is (bool if name == "boolean" else str)


def _is_named(kind: Any) -> bool:
    return any(isinstance(part, dict) and "name" in part for part in (kind if isinstance(kind, list) else [kind]))


def _part(schema: Schema | None) -> Schema:
    if schema is None:
        raise DataError("an ARRAY or MAP schema says nothing about its items")
    return schema


def _scale(schema: Schema) -> int:
    try:
        return scale_of(schema)
    except ValueError as error:
        raise DataError(str(error)) from error
