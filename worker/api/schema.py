"""Kafka Connect's data model: one immutable `Schema`, shared by all rows of a table version.

Values are plain Python: int, float, bool, str, bytes, list, dict (for MAP and for STRUCT, by field name), None.
A value of the logical type Decimal is a `decimal.Decimal`. The other logical types keep their physical value
(Date: int days, Timestamp: int milliseconds, `io.debezium.time.*`: their int or str), so that BC dates, infinity
and nanoseconds lose nothing.
Source: org.apache.kafka.connect.data.Schema (Kafka 4.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final


class Type(StrEnum):
    """The value is the name that Kafka Connect's JSON converter writes."""

    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float"
    FLOAT64 = "double"
    BOOLEAN = "boolean"
    STRING = "string"
    BYTES = "bytes"
    ARRAY = "array"
    MAP = "map"
    STRUCT = "struct"


class _NoDefault:
    def __repr__(self) -> str:
        return "NO_DEFAULT"


NO_DEFAULT: Final = _NoDefault()
"""`Schema.default` where there is none (None is a default that an optional field may have)."""

DECIMAL: Final = "org.apache.kafka.connect.data.Decimal"
DATE: Final = "org.apache.kafka.connect.data.Date"
TIME: Final = "org.apache.kafka.connect.data.Time"
TIMESTAMP: Final = "org.apache.kafka.connect.data.Timestamp"


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    schema: Schema


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """Compared by structure; the hash is made once. ARRAY uses `value_schema`, MAP both, STRUCT `fields`."""

    type: Type
    optional: bool = False
    default: Any = NO_DEFAULT
    name: str | None = None
    version: int | None = None
    doc: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[Field, ...] = ()
    key_schema: Schema | None = None
    value_schema: Schema | None = None
    _by_name: dict[str, Schema] = field(init=False, repr=False)
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {f.name: f.schema for f in self.fields})
        shape = (self.type, self.optional, self.name, self.version, tuple(sorted(self.parameters.items())),
                 self.fields, self.key_schema, self.value_schema)  # fmt: skip
        object.__setattr__(self, "_hash", hash(shape))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Schema):
            return NotImplemented
        return self._hash == other._hash and self._shape() == other._shape()

    def _shape(self) -> tuple[Any, ...]:
        default = (type(self.default), self.default)
        return (self.type, self.optional, default, self.name, self.version, self.doc, dict(self.parameters),
                self.fields, self.key_schema, self.value_schema)  # fmt: skip

    def get(self, name: str) -> Schema | None:
        """The schema of the STRUCT's field `name`, or None."""
        return self._by_name.get(name)

    def as_optional(self) -> Schema:
        return self if self.optional else replace(self, optional=True)

    def with_(self, **changes: Any) -> Schema:
        """A copy with these attributes changed."""
        return replace(self, **changes)


def primitive(type: Type, optional: bool = False, **attributes: Any) -> Schema:
    return Schema(type, optional, **attributes)


def struct(fields: Mapping[str, Schema], name: str | None = None, optional: bool = False, **attributes: Any) -> Schema:
    return Schema(Type.STRUCT, optional, name=name, fields=tuple(Field(n, s) for n, s in fields.items()), **attributes)


def array(items: Schema, optional: bool = False, **attributes: Any) -> Schema:
    return Schema(Type.ARRAY, optional, value_schema=items, **attributes)


def mapping(keys: Schema, values: Schema, optional: bool = False, **attributes: Any) -> Schema:
    return Schema(Type.MAP, optional, key_schema=keys, value_schema=values, **attributes)


def decimal(scale: int, precision: int | None = None, optional: bool = False, **attributes: Any) -> Schema:
    """Connect's Decimal; `precision` travels as the parameter that Debezium uses."""
    parameters = {"scale": str(scale)} | ({} if precision is None else {"connect.decimal.precision": str(precision)})
    return Schema(Type.BYTES, optional, name=DECIMAL, version=1, parameters=parameters, **attributes)
