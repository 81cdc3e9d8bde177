"""The default converter of headers: text for what has a schema, bytes as they are for what has none.

Kafka Connect's SimpleHeaderConverter guesses a type from each header's text when it reads; Headwater leaves the bytes
alone, so that a header passes through unchanged. What it writes is the same.
Source: org.apache.kafka.connect.storage.SimpleHeaderConverter, org.apache.kafka.connect.data.Values.convertToString
(Kafka 4.3.1).
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from headwater.worker.api import Converter, DataError, Encoder, Schema, SchemaAndValue, Type

from .java_text import decimal_text, double_text, float_text


class SimpleHeaderConverter(Converter):
    doc = "Headers as text; bytes without a schema stay as they are."

    def encoder(self, topic: str, schema: Schema | None) -> Encoder:
        def encode(value: Any) -> bytes | None:
            if value is None:
                return None
            if schema is None and isinstance(value, bytes):
                return value
            return _text(value, schema, embedded=False).encode()

        return encode

    def decode(self, topic: str, data: bytes | None) -> SchemaAndValue:
        return SchemaAndValue(None, data)


def _text(value: Any, schema: Schema | None, embedded: bool) -> str:
    """`embedded`: inside a list, map or struct, where strings stand in quotes."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return _quoted(value) if embedded else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        text = b2a_base64(value, newline=False).decode()
        return _quoted(text) if embedded else text
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return float_text(value) if schema is not None and schema.type is Type.FLOAT32 else double_text(value)
    if isinstance(value, list):
        items = None if schema is None else schema.value_schema
        return f"[{','.join(_text(item, items, True) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{','.join(_entries(value, schema))}}}"
    raise DataError(f"a header of type {type(value).__name__} has no text form")


def _entries(value: dict[Any, Any], schema: Schema | None) -> Iterable[str]:
    if schema is not None and schema.type is Type.STRUCT:
        for field in schema.fields:
            yield f"{_quoted(field.name)}:{_text(value.get(field.name), field.schema, True)}"
        return
    keys, values = (None, None) if schema is None else (schema.key_schema, schema.value_schema)
    for key, item in value.items():
        yield f"{_text(key, keys, True)}:{_text(item, values, True)}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
