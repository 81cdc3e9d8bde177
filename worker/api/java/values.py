"""Header values as text: what Kafka Connect's `Values` makes of a value, and which value it sees in a text.

Source: org.apache.kafka.connect.data.Values (Kafka 4.3.1). It guesses: `42` is an INT8, `1.5` a FLOAT32, `[1,300]` an
ARRAY of INT16, `2026-11-22` a Date, and what is none of these is text.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from ..errors import DataError
from ..pipeline import SchemaAndValue
from ..schema import DATE, TIME, TIMESTAMP, Schema, Type, array, decimal, mapping, primitive
from .dates import DAY_MS, DateFormat
from .numbers import decimal_text, double_text, float_text, to_float32

__all__ = ["date_text", "parse_text", "text_of"]

_TEXT: Final = primitive(Type.STRING)
_BOOLEAN: Final = primitive(Type.BOOLEAN)
_FLOAT32: Final = primitive(Type.FLOAT32)
_FLOAT64: Final = primitive(Type.FLOAT64)
_WHOLE: Final = tuple((primitive(kind), 2 ** (bits - 1)) for kind, bits in
                      ((Type.INT8, 8), (Type.INT16, 16), (Type.INT32, 32), (Type.INT64, 64)))  # fmt: skip
_WIDTHS: Final = (Type.INT8, Type.INT16, Type.INT32, Type.INT64, Type.FLOAT32, Type.FLOAT64)
"""Each holds, for what is made of them, all before it."""
_BY_LENGTH: Final = {
    10: (primitive(Type.INT32, name=DATE, version=1), DateFormat("yyyy-MM-dd")),
    13: (primitive(Type.INT32, name=TIME, version=1), DateFormat("HH:mm:ss.SSS'Z'")),
    24: (primitive(Type.INT64, name=TIMESTAMP, version=1), DateFormat("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")),
}
_DATE_TEXT, _TIME_TEXT, _TIMESTAMP_TEXT = (_BY_LENGTH[length][1] for length in (10, 13, 24))
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?")
_TOKEN: Final = re.compile(r'[:,{}\[\]"]|(?:\\.|[^\\:,{}\[\]"]|\\\Z)+', re.DOTALL)
_BLANK: Final = "".join(map(chr, range(33)))
"""What Java's `trim` takes away."""
_DEEPEST: Final = 64
"""Lists and maps within each other; deeper ones are text."""


class _NoValueError(Exception):
    """The text looked like a list or a map, and is none."""


def parse_text(text: str) -> SchemaAndValue:
    """The value that a text stands for; (None, None) for `null`."""
    if not text:
        return SchemaAndValue(_TEXT, text)
    return _Parser(text).parse(0) or SchemaAndValue(None, None)


class _Parser:
    """`at`: where the next token begins. Tokens are `: , { } [ ] "` and what lies between."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def _next(self) -> str:
        found = _TOKEN.match(self._text, self._at)
        assert found is not None
        self._at = found.end()
        return found[0]

    def _has_next(self) -> bool:
        return self._at < len(self._text)

    def _consumes(self, wanted: str) -> bool:
        """Goes past `wanted` where it comes next, and past blank tokens in any case."""
        while self._has_next():
            before = self._at
            token = self._next().strip(_BLANK)
            if token == wanted:
                return True
            if token or not self._has_next():
                self._at = before
                return False
        return False

    def _is_literal(self, depth: int, word: str) -> bool:
        before = self._at
        if self._consumes(word) and (depth or not self._has_next()):
            return True
        self._at = before
        return False

    def parse(self, depth: int) -> SchemaAndValue | None:
        """None stands for null. Raises `_NoValueError` within lists and maps."""
        if not self._has_next():
            return None
        if depth and self._consumes('"'):
            return self._quoted()
        if self._is_literal(depth, "null"):
            return None
        for word in ("true", "false"):
            if self._is_literal(depth, word):
                return SchemaAndValue(_BOOLEAN, word == "true")
        before = self._at
        if depth < _DEEPEST:
            try:
                if self._consumes("["):
                    return self._array(depth + 1)
                if self._consumes("{"):
                    return self._map(depth + 1)
            except _NoValueError:
                self._at = before
        token = self._next()
        if not token.strip(_BLANK):
            return SchemaAndValue(_TEXT, token)
        return self._plain(token.strip(_BLANK), depth)

    def _plain(self, token: str, depth: int) -> SchemaAndValue:
        if token[0].isdigit() and (found := self._temporal(token)):
            return found
        if (token[0].isdigit() or token[0] in "+-") and _NUMBER.fullmatch(token):
            return _number(Decimal(token))
        if depth:
            raise _NoValueError
        return SchemaAndValue(_TEXT, self._text)

    def _temporal(self, token: str) -> SchemaAndValue | None:
        """A time is five tokens, for its colons."""
        before = self._at
        rest = ""
        for _ in range(4):
            if not self._has_next():
                break
            rest += self._next()
        else:
            if found := _moment(token + rest):
                return found
        self._at = before
        return _moment(token)

    def _quoted(self) -> SchemaAndValue:
        parts = []
        while self._has_next() and not self._consumes('"'):
            parts.append(self._next())
        text = "".join(parts)
        return _moment(text) or SchemaAndValue(_TEXT, text)

    def _array(self, depth: int) -> SchemaAndValue:
        items: list[SchemaAndValue | None] = []
        while self._has_next():
            if self._consumes("]"):
                schema = _common(items)
                if schema is None:
                    return SchemaAndValue(Schema(Type.ARRAY), [item and item.value for item in items])
                return SchemaAndValue(array(schema), [_as(schema, item) for item in items])
            if self._consumes(","):
                raise _NoValueError
            items.append(self.parse(depth))
            before = self._at
            if self._consumes("]"):
                self._at = before
            elif not self._consumes(","):
                raise _NoValueError
        raise _NoValueError

    def _map(self, depth: int) -> SchemaAndValue:
        keys: list[SchemaAndValue | None] = []
        values: list[SchemaAndValue | None] = []
        while self._has_next():
            if self._consumes("}"):
                return _map_of(keys, values)
            if self._consumes(","):
                raise _NoValueError
            key = self.parse(depth)
            if key is None or not self._consumes(":"):
                raise _NoValueError
            keys.append(key)
            values.append(self.parse(depth))
            self._consumes(",")
        raise _NoValueError


def _map_of(keys: list[SchemaAndValue | None], values: list[SchemaAndValue | None]) -> SchemaAndValue:
    of_keys, of_values = _common(keys), _common(values)
    if of_keys is None:
        schema = Schema(Type.MAP)
    elif of_values is None:
        schema = Schema(Type.MAP, key_schema=of_keys)
    else:
        schema = mapping(of_keys, of_values)
    made = {}
    for key, value in zip(keys, values, strict=True):
        name = _as(of_keys, key)
        if isinstance(name, list | dict):
            raise _NoValueError  # Java's maps have keys of any kind
        made[name] = _as(of_values, value) if of_keys and of_values else value and value.value
    return SchemaAndValue(schema, made)


def _common(found: Iterable[SchemaAndValue | None]) -> Schema | None:
    """A schema for all of them, or None."""
    common: Schema | None = None
    for item in found:
        latest = None if item is None else item.schema
        if latest is None:
            continue
        if common is None or common.type is latest.type:
            common = latest
        elif common.type not in _WIDTHS or latest.type not in _WIDTHS:
            return None
        elif _WIDTHS.index(latest.type) > _WIDTHS.index(common.type):
            common = latest
    return common


def _as(schema: Schema | None, item: SchemaAndValue | None) -> Any:
    """The value as one of a wider type. Raises `_NoValueError` for null, as Java's schemas here are not optional."""
    if schema is None:
        return item and item.value
    if item is None or item.schema is None:
        raise _NoValueError
    if item.schema.name == schema.name or schema.type in (Type.STRING, Type.ARRAY, Type.MAP):
        return float(item.value) if schema.type in (Type.FLOAT32, Type.FLOAT64) else item.value
    if item.schema.name in (DATE, TIME, TIMESTAMP):
        if schema.name not in (DATE, TIME, TIMESTAMP):
            raise _NoValueError
        ms = item.value * DAY_MS if item.schema.name == DATE else item.value
        return ms // DAY_MS if schema.name == DATE else ms
    return item.value


def _number(number: Decimal) -> SchemaAndValue:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    if number.adjusted() < 19 and (exponent >= 0 or number == number.to_integral_value()):
        whole = int(number)
        for schema, limit in _WHOLE:
            if -limit <= whole < limit:
                return SchemaAndValue(schema, whole)
    if exponent:
        double = float(number)
        if abs(to_float32(double)) != float("inf"):
            return SchemaAndValue(_FLOAT32, to_float32(double))
        if abs(double) != float("inf"):
            return SchemaAndValue(_FLOAT64, double)
    return SchemaAndValue(decimal(-exponent), number)


def _moment(text: str) -> SchemaAndValue | None:
    text = text.replace("\\:", ":")
    schema, form = _BY_LENGTH.get(len(text), (None, None))
    ms = None if form is None else form.parse(text)
    if ms is None or schema is None:
        return None
    return SchemaAndValue(schema, ms // DAY_MS if schema.name == DATE else ms)


def date_text(epoch_ms: int) -> str:
    """Of a Date, Time or Timestamp: Java looks at the number alone."""
    if epoch_ms < DAY_MS:
        return _TIME_TEXT.format(epoch_ms)
    return (_TIMESTAMP_TEXT if epoch_ms % DAY_MS else _DATE_TEXT).format(epoch_ms)


def text_of(value: Any, schema: Schema | None, embedded: bool = False) -> str:
    """`embedded`: inside a list, map or struct, where strings stand in quotes. Raises `DataError`."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return _in_quotes(value) if embedded else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        text = b2a_base64(value, newline=False).decode()
        return _in_quotes(text) if embedded else text
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, int):
        if schema is not None and schema.name in (DATE, TIME, TIMESTAMP):
            return date_text(value * DAY_MS if schema.name == DATE else value)
        return str(value)
    if isinstance(value, float):
        return float_text(value) if schema is not None and schema.type is Type.FLOAT32 else double_text(value)
    if isinstance(value, list):
        items = None if schema is None else schema.value_schema
        return f"[{','.join(text_of(item, items, True) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{','.join(_entries(value, schema))}}}"
    raise DataError(f"a header of type {type(value).__name__} has no text form")


def _entries(value: dict[Any, Any], schema: Schema | None) -> Iterable[str]:
    if schema is not None and schema.type is Type.STRUCT:
        for field in schema.fields:
            yield f"{_in_quotes(field.name)}:{text_of(value.get(field.name), field.schema, True)}"
        return
    keys, values = (None, None) if schema is None else (schema.key_schema, schema.value_schema)
    for key, item in value.items():
        yield f"{text_of(key, keys, True)}:{text_of(item, values, True)}"


def _in_quotes(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
