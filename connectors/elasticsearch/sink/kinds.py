"""From a Connect schema to a field of the mapping, and from a value to what stands in the document.

| schema | field | in the document |
|---|---|---|
| INT8 to INT64 | long | number: one type for all, so that a wider column needs no new index |
| FLOAT32, FLOAT64 | double | number; NaN and infinity as text, stored and not searchable |
| BOOLEAN | boolean | true, false |
| STRING, Xml, Ltree, Tsvector | text with a keyword below it, or as the options say | text |
| Enum, EnumSet, Uuid, times, Interval, ZonedTime, Bits | keyword | text; bits as 0 and 1, the highest first |
| BYTES | binary | base64 |
| Decimal of at most 15 digits | double | number, the same digits |
| any other Decimal, VariableScaleDecimal | double | text with all its digits: searched as the nearest double |
| Date, IsoDate; Timestamp, ZonedTimestamp and their like | date | ISO 8601 with all digits: searched by millisecond |
| MicroDuration, NanoDuration | long | number |
| Json | stored, not searchable, or flattened | the JSON itself |
| ARRAY | as its items | list |
| MAP | flattened; of keys that are no text: object of key and value | object; list of {"key", "value"} |
| STRUCT | object | object |

Values that a field's type cannot hold (NaN, infinity, the year 300000) do not cost the document: `ignore_malformed`.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any, Final, NamedTuple

from headwater.connectors.debezium import names, times
from headwater.worker.api import DATE, DECIMAL, TIME, TIMESTAMP, DataError, Schema, Type

from .iso import clock_text, date_text, timestamp_text

Read = Callable[[Any], Any]
Definition = Mapping[str, Any]

EXACT_DIGITS: Final = 15
"""Decimal digits that a double, which JSON's readers make of numbers, holds exactly."""
LONGEST_TERM: Final = 8191
"""Characters of a keyword that is searchable: Lucene takes 32,766 bytes, a character may take four."""
TEXT_KEYWORD, TEXT, KEYWORD = "text_keyword", "text", "keyword"
STORED, FLATTENED = "stored", "flattened"
_EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Arithmetic that never rounds."""


class Kind(NamedTuple):
    """`definition`: of the field in the mapping. `read`: a value, never None, as it stands in the document.

    It raises `ValueError`, `TypeError`, `KeyError`, `AttributeError` or `ArithmeticError` for a value of another type.
    """

    definition: Definition
    read: Read


LONG: Final[Definition] = {"type": "long"}
DOUBLE: Final[Definition] = {"type": "double", "ignore_malformed": True}
BOOLEAN: Final[Definition] = {"type": "boolean"}
KEYWORD_FIELD: Final[Definition] = {"type": "keyword", "ignore_above": LONGEST_TERM}
DATE_FIELD: Final[Definition] = {"type": "date", "ignore_malformed": True}
BINARY: Final[Definition] = {"type": "binary"}
NOT_INDEXED: Final[Definition] = {"type": "object", "enabled": False}
_STRINGS: Final[Mapping[str, Definition]] = {
    TEXT_KEYWORD: {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}},
    TEXT: {"type": "text"},
    KEYWORD: KEYWORD_FIELD,
}


@dataclass(frozen=True, slots=True)
class Rules:
    """`flattened`: the server's name for a field that takes any object: flattened, or flat_object in OpenSearch."""

    flattened: str
    json: str = STORED
    compact_maps: bool = True

    def kind_of(self, schema: Schema, string: str = TEXT_KEYWORD) -> Kind:
        """`string`: what a STRING becomes. Raises `DataError` for a schema that no field can hold."""
        if schema.name in _NAMED:
            return _NAMED[schema.name]
        if schema.name == names.JSON:
            definition: Definition = {"type": self.flattened} if self.json == FLATTENED else NOT_INDEXED
            return Kind(definition, json.loads)
        if schema.name == DECIMAL:
            return _decimal(schema)
        if schema.name == names.BITS:
            return Kind(KEYWORD_FIELD, _bits(schema))
        if schema.type is Type.STRING:
            return Kind(_STRINGS[string], _same)
        if schema.type is Type.ARRAY:
            return self._list(schema, string)
        if schema.type is Type.MAP:
            return self._map(schema, string)
        if schema.type is Type.STRUCT:
            return self._struct(schema, string)
        return _PRIMITIVE[schema.type]

    def _list(self, schema: Schema, string: str) -> Kind:
        definition, read = self.kind_of(_part(schema, "items", schema.value_schema), string)
        return Kind(definition, lambda values: [None if v is None else read(v) for v in _listed(values)])

    def _map(self, schema: Schema, string: str) -> Kind:
        keys = self.kind_of(_part(schema, "keys", schema.key_schema), KEYWORD)
        items = self.kind_of(_part(schema, "values", schema.value_schema), string)

        def entries(value: Mapping[Any, Any]) -> Any:
            return [
                {"key": None if k is None else keys.read(k), "value": None if v is None else items.read(v)}
                for k, v in value.items()
            ]

        def members(value: Mapping[str, Any]) -> Any:
            return {_member(k): None if v is None else items.read(v) for k, v in value.items()}

        if self.compact_maps and schema.key_schema is not None and schema.key_schema.type is Type.STRING:
            return Kind({"type": self.flattened}, members)
        return Kind({"properties": {"key": keys.definition, "value": items.definition}}, entries)

    def _struct(self, schema: Schema, string: str) -> Kind:
        if not schema.fields:
            return Kind(NOT_INDEXED, dict)
        kinds = {field.name: self.kind_of(field.schema, string) for field in schema.fields}

        def read(value: Mapping[str, Any]) -> dict[str, Any]:
            return {n: None if (v := value.get(n)) is None else kind.read(v) for n, kind in kinds.items()}

        return Kind({"properties": {name: kind.definition for name, kind in kinds.items()}}, read)


def _same(value: Any) -> Any:
    return value


def _part(schema: Schema, which: str, part: Schema | None) -> Schema:
    if part is None:
        raise DataError(f"an {schema.type} without a schema of its {which} cannot become a field")
    return part


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"is no list but {type(value).__name__}")
    return value


def _member(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"has a key that is no text but {type(key).__name__}")
    return key


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"is no whole number but {type(value).__name__}")
    if not -(2**63) <= value < 2**63:
        raise ValueError("is out of range for a number of 64 bits")
    return value


def _double(value: Any) -> float | str:
    found = float(value)
    if math.isfinite(found):
        return found
    return "NaN" if found != found else "Infinity" if found > 0 else "-Infinity"


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"is no boolean but {type(value).__name__}")
    return value


def _base64(value: Any) -> str:
    return base64.b64encode(value).decode()


def digits_of(value: Decimal | int) -> str:
    """All digits, without an exponent; `NaN`, `Infinity`."""
    return str(value) if isinstance(value, int) or not value.is_finite() else format(value, "f")


def _variable_decimal(value: Any) -> str:
    """{"scale": int, "value": big-endian two's complement bytes}; a Decimal passes as it is."""
    if not isinstance(value, Decimal):
        value = Decimal(int.from_bytes(value["value"], "big", signed=True)).scaleb(-int(value["scale"]), _EXACT)
    return digits_of(value)


def _decimal(schema: Schema) -> Kind:
    scale, precision = int(schema.parameters.get("scale", "0")), schema.parameters.get("connect.decimal.precision")
    if precision is None or not 1 <= int(precision) <= EXACT_DIGITS or not 0 <= scale <= int(precision):
        return Kind(DOUBLE, digits_of)

    def number(value: Any) -> float | str:
        text = digits_of(value)
        return float(text) if len(value.as_tuple().digits) <= EXACT_DIGITS else text

    return Kind(DOUBLE, number)


def _bits(schema: Schema) -> Read:
    """Little-endian bytes; without a fixed length the leading zeros are not on the log: none here."""
    length = int(schema.parameters.get("length", "0"))
    fixed = 0 < length < 83_886_080  # PostgreSQL's limit; Debezium says 2147483647 for a varbit without one

    def read(value: bytes) -> str:
        digits = format(int.from_bytes(value, "little"), "b").lstrip("0")
        return digits.zfill(length) if fixed else digits

    return read


def _moment(read: Callable[[Any], float]) -> Kind:
    return Kind(DATE_FIELD, lambda value: timestamp_text(read(value)))


_DAYS: Final = Kind(DATE_FIELD, lambda value: date_text(times.days(_whole(value))))
_KEYWORD: Final = Kind(KEYWORD_FIELD, str)
_PRIMITIVE: Final[dict[Type, Kind]] = {
    Type.INT8: Kind(LONG, _whole),
    Type.INT16: Kind(LONG, _whole),
    Type.INT32: Kind(LONG, _whole),
    Type.INT64: Kind(LONG, _whole),
    Type.FLOAT32: Kind(DOUBLE, _double),
    Type.FLOAT64: Kind(DOUBLE, _double),
    Type.BOOLEAN: Kind(BOOLEAN, _boolean),
    Type.BYTES: Kind(BINARY, _base64),
}
_NAMED: Final[dict[str, Kind]] = {
    DATE: _DAYS,
    names.DATE: _DAYS,
    names.ISO_DATE: Kind(DATE_FIELD, lambda v: date_text(times.parse_date(v))),
    TIMESTAMP: _moment(times.millis),
    names.TIMESTAMP: _moment(times.millis),
    names.MICRO_TIMESTAMP: _moment(times.micros),
    names.NANO_TIMESTAMP: _moment(times.nanos),
    names.ZONED_TIMESTAMP: _moment(times.parse_timestamp),
    names.ISO_TIMESTAMP: _moment(times.parse_timestamp),
    TIME: Kind(KEYWORD_FIELD, lambda v: clock_text(_whole(v) * 1000)),
    names.TIME: Kind(KEYWORD_FIELD, lambda v: clock_text(_whole(v) * 1000)),
    names.MICRO_TIME: Kind(KEYWORD_FIELD, lambda v: clock_text(_whole(v))),
    names.NANO_TIME: Kind(KEYWORD_FIELD, lambda v: clock_text(_whole(v) // 1000)),
    names.VARIABLE_SCALE_DECIMAL: Kind(DOUBLE, _variable_decimal),
    names.ISO_TIME: _KEYWORD,
    names.ZONED_TIME: _KEYWORD,
    names.INTERVAL: _KEYWORD,
    names.UUID: _KEYWORD,
    names.ENUM: _KEYWORD,
    names.ENUM_SET: _KEYWORD,
}
