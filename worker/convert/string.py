"""Kafka Connect's StringConverter: what Java's toString gives, in any encoding.

Source: org.apache.kafka.connect.storage.{StringConverter,StringConverterConfig} (Kafka 4.3.1),
org.apache.kafka.connect.data.Struct.toString. Where Java would put a replacement character for what does not fit the
encoding, this raises `DataError`: nothing is lost in silence.
"""

from __future__ import annotations

import codecs
from decimal import Decimal
from typing import Any, Final

from headwater.worker.api import (
    Converter,
    DataError,
    Encoder,
    Option,
    Options,
    Schema,
    SchemaAndValue,
    Type,
    Values,
    primitive,
)

from .java_text import decimal_text, double_text, float_text

_SCHEMA: Final = primitive(Type.STRING, optional=True)


def _known_encoding(name: str) -> str | None:
    try:
        codecs.lookup(name)
    except LookupError:
        return "is not an encoding that Python knows"
    return None


class StringConverter(Converter):
    doc = "Text without a schema."
    options = Options(
        Option("converter.encoding", default="UTF-8", doc="Encoding of the text.", validate=_known_encoding)
    )

    def configure(self, values: Values, is_key: bool) -> None:
        self._encoding: str = values["converter.encoding"]

    def encoder(self, topic: str, schema: Schema | None) -> Encoder:
        def encode(value: Any) -> bytes | None:
            if value is None:
                return None
            text = value if type(value) is str else java_string(value, schema)
            try:
                return text.encode(self._encoding)
            except UnicodeEncodeError as error:
                raise DataError(f"the text cannot be written in {self._encoding}: {error.reason}") from error

        return encode

    def decode(self, topic: str, data: bytes | None) -> SchemaAndValue:
        if data is None:
            return SchemaAndValue(_SCHEMA, None)
        try:
            return SchemaAndValue(_SCHEMA, data.decode(self._encoding))
        except UnicodeDecodeError as error:
            raise DataError(
                f"is not text in {self._encoding} (byte {error.start}: {error.reason}); "
                "ByteArrayConverter reads any data"
            ) from error


def java_string(value: Any, schema: Schema | None) -> str:
    """Java's toString of a Connect value. Raises `DataError` for bytes, whose toString says nothing."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value) if schema is not None and schema.type is Type.FLOAT32 else double_text(value)
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        items = schema.value_schema if schema is not None else None
        return f"[{', '.join(java_string(item, items) for item in value)}]"
    if isinstance(value, dict):
        return _struct_text(value, schema) if schema is not None and schema.fields else _map_text(value, schema)
    raise DataError(f"a value of type {type(value).__name__} has no text form; use another converter")


def _struct_text(value: dict[str, Any], schema: Schema) -> str:
    parts = (f"{f.name}={java_string(v, f.schema)}" for f in schema.fields if (v := value.get(f.name)) is not None)
    return f"Struct{{{','.join(parts)}}}"


def _map_text(value: dict[Any, Any], schema: Schema | None) -> str:
    if schema is not None and schema.type is Type.STRUCT:
        return "Struct{}"
    keys, values = (None, None) if schema is None else (schema.key_schema, schema.value_schema)
    return f"{{{', '.join(f'{java_string(k, keys)}={java_string(v, values)}' for k, v in value.items())}}}"
