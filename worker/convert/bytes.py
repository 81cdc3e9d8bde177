"""Kafka Connect's ByteArrayConverter: bytes as they are.

Source: org.apache.kafka.connect.converters.ByteArrayConverter (Kafka 4.3.1).
"""

from __future__ import annotations

from typing import Any, Final

from headwater.worker.api import Converter, DataError, Encoder, Schema, SchemaAndValue, Type, primitive

_SCHEMA: Final = primitive(Type.BYTES, optional=True)


class ByteArrayConverter(Converter):
    doc = "Bytes without a schema, untouched."

    def encoder(self, topic: str, schema: Schema | None) -> Encoder:
        def encode(value: Any) -> bytes | None:
            if schema is not None and schema.type is not Type.BYTES:
                raise DataError(f"ByteArrayConverter takes BYTES, and the schema is {schema.type.name}")
            if value is None or type(value) is bytes:
                return value
            if isinstance(value, bytes | bytearray | memoryview):
                return bytes(value)
            raise DataError(f"ByteArrayConverter takes bytes, and the value is a {type(value).__name__}")

        return encode

    def decode(self, topic: str, data: bytes | None) -> SchemaAndValue:
        return SchemaAndValue(_SCHEMA, data)
