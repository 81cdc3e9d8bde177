"""Kafka Connect's converters of one primitive type: a number in its bytes, big-endian, or one byte for a boolean.

Sources: org.apache.kafka.connect.converters.{Number,Short,Integer,Long,Float,Double,Boolean}Converter and
org.apache.kafka.common.serialization (Kafka 4.3.1). In Java a value's class decides; here its schema does, and without
one, whether it is in range.
"""

from __future__ import annotations

import struct
from typing import Any, ClassVar

from headwater.worker.api import Converter, DataError, Encoder, Schema, SchemaAndValue, Type, primitive

__all__ = [
    "BooleanConverter",
    "DoubleConverter",
    "FloatConverter",
    "IntegerConverter",
    "LongConverter",
    "ShortConverter",
]


class _Primitive(Converter):
    kind: ClassVar[Type]
    layout: ClassVar[struct.Struct]
    takes: ClassVar[tuple[type, ...]] = (int,)
    any_null: ClassVar[bool] = True
    """Is null a tombstone, whatever its schema?"""

    def __init__(self) -> None:
        self._schema = primitive(self.kind, optional=True)

    def encoder(self, topic: str, schema: Schema | None) -> Encoder:
        def encode(value: Any) -> bytes | None:
            if value is None and self.any_null:
                return None
            if schema is not None and schema.type is not self.kind:
                raise self._refusal(f"the schema is {schema.type.name}")
            if value is None:
                return None
            if type(value) not in self.takes:
                raise self._refusal(f"the value is a {type(value).__name__}")
            try:
                return self.layout.pack(value)
            except (struct.error, OverflowError):
                raise self._refusal(f"{value} is out of range") from None

        return encode

    def decode(self, topic: str, data: bytes | None) -> SchemaAndValue:
        if data is None:
            return SchemaAndValue(self._schema, None)
        if len(data) != self.layout.size:
            raise DataError(
                f"{type(self).__name__} reads {self.layout.size} bytes, and the message has {len(data)}: was it "
                "written with another converter?"
            )
        return SchemaAndValue(self._schema, self.read(data))

    def read(self, data: bytes) -> Any:
        return self.layout.unpack(data)[0]

    def _refusal(self, what: str) -> DataError:
        return DataError(f"{type(self).__name__} takes {self.kind.name}, and {what}")


class ShortConverter(_Primitive):
    doc = "Whole numbers of 16 bits."
    kind, layout = Type.INT16, struct.Struct(">h")


class IntegerConverter(_Primitive):
    doc = "Whole numbers of 32 bits."
    kind, layout = Type.INT32, struct.Struct(">i")


class LongConverter(_Primitive):
    doc = "Whole numbers of 64 bits."
    kind, layout = Type.INT64, struct.Struct(">q")


class FloatConverter(_Primitive):
    doc = "Fractions of 32 bits."
    kind, layout, takes = Type.FLOAT32, struct.Struct(">f"), (float,)


class DoubleConverter(_Primitive):
    doc = "Fractions of 64 bits."
    kind, layout, takes = Type.FLOAT64, struct.Struct(">d"), (float,)


class BooleanConverter(_Primitive):
    doc = "True or false, in one byte."
    kind, layout, takes = Type.BOOLEAN, struct.Struct(">?"), (bool,)
    any_null = False

    def read(self, data: bytes) -> Any:
        if data not in (b"\x00", b"\x01"):
            raise DataError(f"BooleanConverter reads a byte that is 0 or 1, and this one is {data[0]}")
        return data == b"\x01"
