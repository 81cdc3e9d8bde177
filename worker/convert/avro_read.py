"""Avro schemas to Connect schemas, and to what fastavro reads their values with.

Source: io.confluent.connect.avro.AvroData.toConnectSchema (8.x). Unions of several types are read as records of one
field, one for each branch (a record's bytes are its fields' bytes): the struct that Connect has for such a union.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from headwater.worker.api import DATE, DECIMAL, NO_DEFAULT, TIME, TIMESTAMP, DataError, Field, Schema, Type

from .avro_form import AvroSettings
from .avro_names import (
    ANYTHING,
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
    UNION,
    split,
)
from .avro_types import NAMED, Names, kind_of
from .connect_decimal import from_unscaled, scale_of
from .java_text import to_float32

__all__ = ["connect_schema", "readable"]

log = logging.getLogger(__name__)

_PRIMITIVE: Final = {
    "boolean": Type.BOOLEAN,
    "int": Type.INT32,
    "long": Type.INT64,
    "float": Type.FLOAT32,
    "double": Type.FLOAT64,
    "string": Type.STRING,
    "bytes": Type.BYTES,
    "fixed": Type.BYTES,
    "enum": Type.STRING,
}
_NARROW: Final = {"int8": Type.INT8, "int16": Type.INT16}
_LOGICAL: Final = {("int", "date"): DATE, ("int", "time-millis"): TIME, ("long", "timestamp-millis"): TIMESTAMP}


def connect_schema(form: Any, names: Names, settings: AvroSettings, version: int | None = None) -> Schema | None:
    """`version`: of the schema in its subject, where it says none itself. None: values have no schema.

    Raises `DataError`.
    """
    if names.resolve(form, "")[2] == ANYTHING:
        return None
    return _Schemas(names, settings).of(form, "", version=version)


class _Schemas:
    def __init__(self, names: Names, settings: AvroSettings) -> None:
        self._names = names
        self._settings = settings
        self._open: list[str] = []
        self._made: dict[tuple[str, bool], Schema] = {}

    def of(self, form: Any, namespace: str, optional: bool = False, default: Any = NO_DEFAULT,
           version: int | None = None) -> Schema:  # fmt: skip
        """`default`: of the field, in Avro's JSON."""
        resolved, inner, full = self._names.resolve(form, namespace)
        if isinstance(resolved, list):
            return self._union(resolved, inner, default)
        if default is NO_DEFAULT and version is None and (full, optional) in self._made:
            return self._made[full, optional]
        if full in self._open:
            raise DataError(f"the Avro schema {full!r} holds itself, which Connect's schemas cannot")
        self._open.append(full or "?")
        properties = resolved if isinstance(resolved, dict) else {}
        schema = self._described(self._base(resolved, properties, inner, full), properties, full, version)
        self._open.pop()
        schema = self._with_default(schema, resolved, inner, properties, default)
        schema = schema.with_(optional=True) if optional else schema
        if full and default is NO_DEFAULT and version is None:
            self._made[full, optional] = schema
        return schema

    def _base(self, form: Any, properties: dict[str, Any], namespace: str, full: str) -> Schema:
        kind = kind_of(form)
        if kind in ("record", "error"):
            return self._record(properties, namespace)
        if kind == "array":
            return self._array(form, namespace)
        if kind == "map":
            return Schema(Type.MAP, key_schema=Schema(Type.STRING), value_schema=self.of(form["values"], namespace))
        if kind == "null":
            raise DataError("an Avro schema of null alone has no counterpart in Connect")
        logical = properties.get("logicalType")
        if kind in ("bytes", "fixed"):
            return self._bytes(kind, properties, logical)
        if kind == "enum":
            return Schema(Type.STRING, parameters=self._symbols(properties, full))
        if name := _LOGICAL.get((kind, str(logical).lower())):
            return Schema(_PRIMITIVE[kind], name=name, version=1)
        narrow = properties.get("connect.type") if kind == "int" and logical is None else None
        if narrow is not None and narrow not in _NARROW:
            raise DataError(f"an Avro int says that it is a Connect {narrow!r}, which is none of int8 and int16")
        return Schema(_PRIMITIVE[kind] if narrow is None else _NARROW[narrow])

    def _bytes(self, kind: str, properties: dict[str, Any], logical: Any) -> Schema:
        parameters: dict[str, str] = {}
        if str(logical).lower() == "decimal":
            scale, precision = properties.get("scale", 0), properties.get("precision", DEFAULT_PRECISION)
            parameters["scale"] = str(scale if type(scale) is int else 0)
            if type(precision) is not int:
                raise DataError("the precision of an Avro decimal is no whole number")
            if precision != DEFAULT_PRECISION:
                parameters[PRECISION] = str(precision)
        if kind == "fixed":
            parameters[FIXED_SIZE] = str(properties["size"])
        named = {"name": DECIMAL, "version": 1} if "scale" in parameters else {}
        return Schema(Type.BYTES, parameters=parameters, **named)  # type: ignore[arg-type]

    def _symbols(self, properties: dict[str, Any], full: str) -> dict[str, str]:
        parameters = {}
        if self._settings.meta:
            name = split(full)[1]
            if (doc := properties.get("doc")) is not None:
                parameters[ENUM_DOC + name] = doc
            if (default := properties.get("default")) is not None:
                parameters[ENUM_DEFAULT + name] = default
        parameters[ENUM] = full
        return parameters | {f"{ENUM}.{symbol}": symbol for symbol in properties["symbols"]}

    def _record(self, properties: dict[str, Any], namespace: str) -> Schema:
        parameters: dict[str, str] = {}
        meta = self._settings.meta
        if meta and properties.get("doc") is not None:
            parameters[RECORD_DOC] = properties["doc"]
        fields = []
        for field in properties["fields"]:
            if meta and field.get("doc") is not None:
                parameters[FIELD_DOC + field["name"]] = field["doc"]
            schema = self.of(field["type"], namespace, default=field.get("default", NO_DEFAULT))
            own = field.get("connect.parameters")
            if meta and isinstance(own, dict):
                schema = schema.with_(parameters={**schema.parameters, **{k: str(v) for k, v in own.items()}})
            fields.append(Field(field["name"], schema))
        return Schema(Type.STRUCT, parameters=parameters, fields=tuple(fields))

    def _array(self, form: Any, namespace: str) -> Schema:
        item, inner, _ = self._names.resolve(form["items"], namespace)
        if not is_entry(item, inner):
            return Schema(Type.ARRAY, value_schema=self.of(form["items"], namespace))
        key, value = (field["type"] for field in item["fields"])
        return Schema(Type.MAP, key_schema=self.of(key, inner), value_schema=self.of(value, inner))

    def _union(self, form: list[Any], namespace: str, default: Any) -> Schema:
        alone = only_branch(form, self._settings.flatten)
        if alone is not None:  # without the default, as in Java
            return self.of(alone, namespace, optional="null" in form)
        fields: list[Field] = []
        for part in form:
            if part != "null":
                name = member_name(self._names, part, namespace, self._settings.enhanced)
                if any(field.name == name for field in fields):
                    raise DataError(f"an Avro union has two types that Connect would both call {name!r}; set "
                                    "enhanced.avro.schema.support to true")  # fmt: skip
                fields.append(Field(name, self.of(part, namespace, optional=True)))
        schema = Schema(Type.STRUCT, optional="null" in form, name=UNION, fields=tuple(fields))
        return schema if default is None else self._with_default(schema, form, namespace, {}, default)

    def _described(self, schema: Schema, properties: dict[str, Any], full: str, version: int | None) -> Schema:
        """With what Connect noted in properties."""
        changes: dict[str, Any] = {}
        meta = self._settings.meta
        if meta and isinstance(properties.get("connect.doc"), str):
            changes["doc"] = properties["connect.doc"]
        noted = properties.get("connect.version")
        if noted is not None and type(noted) is not int:
            raise DataError(f"an Avro schema has the connect.version {noted!r}, which is no number")
        if schema.version is None:
            changes["version"] = version if noted is None else noted
        parameters = dict(schema.parameters)
        own = properties.get("connect.parameters")
        if meta and own is not None:
            if not isinstance(own, dict) or not all(isinstance(text, str) for text in own.values()):
                raise DataError("an Avro schema has connect.parameters that are not texts by name")
            parameters |= own
        reserved = ("avro", "aliases", "connect.", "type", "name")
        parameters |= {k: str(v) for k, v in properties.items() if k.startswith("avro") and k not in reserved}
        if parameters:
            changes["parameters"] = parameters
        name = properties.get("connect.name") or (full if schema.name is None else None)
        if isinstance(name, str) and name and not name.startswith(DEFAULT_NAME):
            changes["name"] = name
        return schema.with_(**changes) if changes else schema

    def _with_default(self, schema: Schema, form: Any, namespace: str, properties: dict[str, Any],
                      default: Any) -> Schema:  # fmt: skip
        noted = properties.get("connect.default")
        if default is NO_DEFAULT:
            default = noted
        elif noted is None and self._settings.meta:
            schema = schema.with_(parameters={**schema.parameters, FIELD_DEFAULT: "true"})
        if default is None:
            return schema
        try:
            return schema.with_(default=self._value(schema, default))
        except (AttributeError, TypeError, ValueError, KeyError) as error:
            log.warning("the default of Avro's %s is none of its type and is ignored: %s", schema.name or form, error)
            return schema

    def _value(self, schema: Schema, default: Any) -> Any:
        """A default from its form in JSON. Raises `ValueError` and its kin."""
        if default is None:
            return None
        if schema.type is Type.BYTES:
            data = default.encode("latin-1")
            return from_unscaled(data, scale_of(schema)) if schema.name == DECIMAL else data
        if schema.type is Type.ARRAY and schema.value_schema is not None:
            return [self._value(schema.value_schema, item) for item in _expect(default, list)]
        if schema.type is Type.MAP and schema.value_schema is not None and schema.key_schema is not None:
            keys, values = schema.key_schema, schema.value_schema
            pairs = default.items() if isinstance(default, dict) else _expect(default, list)
            return {self._value(keys, key): self._value(values, item) for key, item in pairs}
        if schema.type is Type.STRUCT and schema.name == UNION:
            return {field.name: self._value(field.schema, default) if n == 0 else None
                    for n, field in enumerate(schema.fields)}  # fmt: skip
        if schema.type is Type.STRUCT:
            given = _expect(default, dict)
            return {f.name: self._value(f.schema, given.get(f.name)) for f in schema.fields}
        if schema.type is Type.FLOAT32:
            return to_float32(float(default))
        if schema.type is Type.FLOAT64:
            return float(default)
        return _expect(default, {Type.STRING: str, Type.BOOLEAN: bool}.get(schema.type, int))


def _expect(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{value!r} is not of type {kind.__name__}")
    return value


def is_entry(item: Any, namespace: str) -> bool:
    """Is this array item one entry of a map?"""
    if not isinstance(item, dict) or [f.get("name") for f in item.get("fields") or ()] != ["key", "value"]:
        return False
    named = namespace == NAMESPACE and split(str(item.get("name")))[1] == MAP_ENTRY
    return named or item.get("connect.internal.type") == MAP_ENTRY


def only_branch(form: list[Any], flatten: bool) -> Any:
    """The one type that a union has beside null; None where there are several, or where it is kept as a union."""
    others = [part for part in form if part != "null"]
    if len(others) != 1 or (len(form) == 1 and not flatten):
        return None
    return others[0]


def member_name(names: Names, form: Any, namespace: str, enhanced: bool) -> str:
    resolved, _, full = names.resolve(form, namespace)
    return (full if enhanced else split(full)[1]) if full else kind_of(resolved)


def readable(form: Any, names: Names, settings: AvroSettings) -> Any:
    """The schema for fastavro: no logical types, own names for types, branches of unions as records of one field."""
    return _Plain(names, settings).of(form, "")


class _Plain:
    def __init__(self, names: Names, settings: AvroSettings) -> None:
        self._names = names
        self._settings = settings
        self._called: dict[str, str] = {}
        self._count = 0

    def of(self, form: Any, namespace: str) -> Any:
        form, inner, full = self._names.resolve(form, namespace)
        if full in self._called:
            return self._called[full]
        kind = kind_of(form)
        if kind == "union":
            return self._union(form, inner)
        if kind == "array":
            return {"type": "array", "items": self.of(form["items"], inner)}
        if kind == "map":
            return {"type": "map", "values": self.of(form["values"], inner)}
        if kind not in NAMED:
            return kind
        name = self._called[full] = self._name()
        if kind == "enum":
            return {"type": "enum", "name": name, "symbols": form["symbols"]}
        if kind == "fixed":
            return {"type": "fixed", "name": name, "size": form["size"]}
        return {"type": "record", "name": name,
                "fields": [{"name": f["name"], "type": self.of(f["type"], inner)} for f in form["fields"]]}  # fmt: skip

    def _union(self, form: list[Any], namespace: str) -> list[Any]:
        if only_branch(form, self._settings.flatten) is not None:
            return [self.of(part, namespace) for part in form]
        made: list[Any] = []
        for part in form:
            if part == "null":
                made.append("null")
                continue
            member = member_name(self._names, part, namespace, self._settings.enhanced)
            made.append({"type": "record", "name": self._name(),
                         "fields": [{"name": member, "type": self.of(part, namespace)}]})  # fmt: skip
        return made

    def _name(self) -> str:
        self._count += 1
        return f"t{self._count}"
