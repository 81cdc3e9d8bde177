"""SimpleHeaderConverter: header values as text, and the value that a text stands for.

Where a config names no header converter, what is written is the same, and what is read stays the bytes that it is on
the log: a header passes through unchanged. Kafka Connect's own default reads as this one, and `007` becomes `7`.
Source: org.apache.kafka.connect.storage.SimpleHeaderConverter (Kafka 4.3.1).
"""

from __future__ import annotations

from typing import Any

from headwater.worker.api import Converter, Encoder, Schema, SchemaAndValue, Type, primitive
from headwater.worker.api.java.values import parse_text, text_of

_BYTES = primitive(Type.BYTES)


class SimpleHeaderConverter(Converter):
    doc = "Headers as text; what is read is a number, a list, a map, a date or text, as it looks."

    def encoder(self, topic: str, schema: Schema | None) -> Encoder:
        def encode(value: Any) -> bytes | None:
            if value is None or (schema is None and isinstance(value, bytes)):
                return value
            return text_of(value, schema).encode()

        return encode

    def decode(self, topic: str, data: bytes | None) -> SchemaAndValue:
        if data is None:
            return SchemaAndValue(None, None)
        try:
            return parse_text(data.decode())
        except UnicodeDecodeError:
            return SchemaAndValue(_BYTES, data)
