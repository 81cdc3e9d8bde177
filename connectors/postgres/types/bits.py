"""`bit` and `bit varying`: a boolean where there is room for one bit, else little-endian bytes without end zeros.

The number of leading zeros of a `bit varying` is lost, as in Debezium.
Source: io.debezium.connector.postgresql.PostgresValueConverter.convertBits, io.debezium.data.Bits of Debezium 3.7.
"""

from __future__ import annotations

from headwater.connectors.debezium.names import bits
from headwater.worker.api import Type, primitive

from .column_type import ColumnType

UNLIMITED = 2**31 - 1
"""The length that Debezium gives a `bit varying` without one."""


def bit_string(typmod: int) -> ColumnType:
    """`typmod` is the length, -1 where there is none."""
    if typmod == 1:
        return ColumnType(primitive(Type.BOOLEAN), b"1".__eq__)
    return ColumnType(bits(UNLIMITED if typmod < 0 else typmod), _little_endian)


def _little_endian(text: bytes) -> bytes:
    number = int(text, 2) if text else 0
    return number.to_bytes((number.bit_length() + 7) // 8, "little")
