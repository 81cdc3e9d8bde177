"""Avro schema -> Connect schema, and what Avro decodes -> Connect's values.

Source: Avro 1.12 specification (types, logical types); io.confluent.connect.avro.AvroData for what they become: a union
of null and one type is optional, enums and uuids are strings, fixed is bytes; a union of several types is a struct with
a field for each of which one is set. Times finer than milliseconds keep their number, under Debezium's names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Final

from headwater.worker.api import DATE, TIME, TIMESTAMP, Schema, Type, array, decimal, mapping, primitive, struct

from .contract import Unreadable
from .fine_times import MICRO_TIME, MICRO_TIMESTAMP, NANO_TIMESTAMP

UNION: Final = "io.confluent.connect.avro.Union"
_PRIMITIVES: Final = {
    "boolean": Type.BOOLEAN, "int": Type.INT32, "long": Type.INT64, "float": Type.FLOAT32, "double": Type.FLOAT64,
    "bytes": Type.BYTES, "string": Type.STRING,
}  # fmt: skip
_TIMES: Final = {
    ("int", "date"): DATE, ("int", "time-millis"): TIME,
    ("long", "timestamp-millis"): TIMESTAMP, ("long", "local-timestamp-millis"): TIMESTAMP,
    ("long", "timestamp-micros"): MICRO_TIMESTAMP, ("long", "local-timestamp-micros"): MICRO_TIMESTAMP,
    ("long", "timestamp-nanos"): NANO_TIMESTAMP, ("long", "local-timestamp-nanos"): NANO_TIMESTAMP,
    ("long", "time-micros"): MICRO_TIME,
}  # fmt: skip
_EXACT: Final = Context(prec=1000)
Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Mapped:
    """`convert` None: the value is right as Avro decodes it."""

    schema: Schema
    convert: Convert | None = None

    def of(self, value: Any) -> Any:
        return value if self.convert is None or value is None else self.convert(value)


def plain(schema: Any) -> Any:
    """The same without logical types, so that values stay numbers and bytes."""
    if isinstance(schema, list):
        return [plain(branch) for branch in schema]
    if isinstance(schema, dict):
        return {name: plain(part) if name in _PARTS else part for name, part in schema.items() if name not in _LOGICAL}
    return schema


_PARTS: Final = {"type", "items", "values", "fields"}
_LOGICAL: Final = {"logicalType", "precision", "scale", "default"}


class SchemaMapping:
    """Of one file; `named` types may be used again in it by name."""

    def __init__(self) -> None:
        self._named: dict[str, Mapped] = {}

    def of(self, schema: Any, space: str = "") -> Mapped:
        """`space`: the namespace that surrounds it. Raises `Unreadable` for a type that no value here can have."""
        if isinstance(schema, list):
            return self._union(schema, space)
        if isinstance(schema, str):
            if schema in _PRIMITIVES:
                return Mapped(primitive(_PRIMITIVES[schema]))
            if schema == "null":
                return Mapped(primitive(Type.STRING, True))
            named = self._named.get(_full(schema, space))
            if named is None:
                raise Unreadable(f"its schema uses the type {schema} before it is complete; such types cannot be read")
            return named
        if not isinstance(schema, dict):
            raise Unreadable(f"its schema holds {schema!r}, which is no type")
        return self._complex(schema, space)

    def _complex(self, schema: Mapping[str, Any], space: str) -> Mapped:
        kind = schema.get("type")
        if isinstance(kind, dict | list):
            return self.of(kind, space)
        if kind in ("record", "error"):
            return self._record(schema, space)
        if kind == "array":
            items = self.of(schema["items"], space)
            return Mapped(array(items.schema), None if items.convert is None else lambda found: [*map(items.of, found)])
        if kind == "map":
            inner = self.of(schema["values"], space)
            made = mapping(primitive(Type.STRING), inner.schema)
            return Mapped(made, None if inner.convert is None else lambda m: {k: inner.of(v) for k, v in m.items()})
        if kind == "enum":
            return self._name(schema, space, Mapped(primitive(Type.STRING)))
        if kind == "fixed":
            return self._name(schema, space, _bytes(schema))
        if kind == "bytes":
            return _bytes(schema)
        logical = _TIMES.get((str(kind), schema.get("logicalType", "")))
        if logical is not None:
            return Mapped(primitive(_PRIMITIVES[str(kind)], name=logical, version=1))
        return self.of(kind, space)

    def _record(self, schema: Mapping[str, Any], space: str) -> Mapped:
        name, inner = _full(schema["name"], schema.get("namespace", space)), schema.get("namespace", space)
        if "." in schema["name"]:
            inner = schema["name"].rpartition(".")[0]
        fields = {field["name"]: self.of(field["type"], inner) for field in schema["fields"]}
        made = struct({field: mapped.schema for field, mapped in fields.items()}, name=name)
        changed = {field: mapped for field, mapped in fields.items() if mapped.convert is not None}

        def convert(value: dict[str, Any]) -> dict[str, Any]:
            for field, mapped in changed.items():
                value[field] = mapped.of(value[field])
            return value

        return self._name(schema, space, Mapped(made, convert if changed else None))

    def _name(self, schema: Mapping[str, Any], space: str, mapped: Mapped) -> Mapped:
        self._named[_full(schema["name"], schema.get("namespace", space))] = mapped
        return mapped

    def _union(self, branches: list[Any], space: str) -> Mapped:
        real = [branch for branch in branches if branch != "null"]
        optional = len(real) < len(branches)
        if len(real) == 1:
            only = self.of(real[0], space)
            return Mapped(only.schema.as_optional() if optional else only.schema, only.convert)
        if not real:
            return Mapped(primitive(Type.STRING, True))
        parts = [(_branch(branch), branch, self.of(branch, space)) for branch in real]
        made = struct({name: part.schema.as_optional() for name, _, part in parts}, name=UNION, optional=optional)
        empty = dict.fromkeys(name for name, _, _ in parts)

        def convert(value: Any) -> dict[str, Any]:
            named, value = value if isinstance(value, tuple) else ("", value)
            for name, branch, part in parts:
                if _fits(branch, value) and (not named or named.rpartition(".")[2] == name):
                    return empty | {name: part.of(value)}
            raise Unreadable(f"a union holds {str(value)[:100]!r}, which is none of its types")

        return Mapped(made, convert)


def _branch(branch: Any) -> str:
    """What the field for a union's type is called: the type, or the last part of its name."""
    if isinstance(branch, dict):
        return str(branch.get("name", branch["type"])).rpartition(".")[2]
    return str(branch).rpartition(".")[2]


_PYTHON: Final[dict[str, tuple[type, ...]]] = {
    "boolean": (bool,), "int": (int,), "long": (int,), "float": (float,), "double": (float,), "bytes": (bytes,),
    "fixed": (bytes,), "string": (str,), "enum": (str,), "array": (list,), "map": (dict,), "record": (dict,),
    "error": (dict,),
}  # fmt: skip


def _fits(branch: Any, value: Any) -> bool:
    """Can a value that was decoded be of this type of its union? Of several, the first is taken."""
    kind = branch["type"] if isinstance(branch, dict) else branch
    if kind == "int" and isinstance(value, int) and not -(1 << 31) <= value < 1 << 31:
        return False
    if kind == "enum" and value not in branch["symbols"]:
        return False
    if isinstance(value, bool):
        return bool(kind == "boolean")
    return isinstance(value, _PYTHON.get(str(kind), (dict, bytes, str)))


def _bytes(schema: Mapping[str, Any]) -> Mapped:
    if schema.get("logicalType") != "decimal":
        return Mapped(primitive(Type.BYTES))
    scale = int(schema.get("scale", 0))
    made = decimal(scale, int(schema["precision"]) if "precision" in schema else None)
    return Mapped(made, lambda data: Decimal(int.from_bytes(data, "big", signed=True)).scaleb(-scale, _EXACT))


def _full(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"
