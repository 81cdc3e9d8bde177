"""Whole and decimal numbers, booleans.

Source: io.debezium.connector.postgresql.PostgresValueConverter, io.debezium.data.SpecialValueDecimal of Debezium 3.7.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any, Final

from headwater.connectors.debezium.names import variable_scale_decimal
from headwater.worker.api import Schema, Type, decimal, primitive

from .column_type import ColumnType, Undecodable
from .modes import ValueModes

BOOLEAN: Final = ColumnType(primitive(Type.BOOLEAN), b"t".__eq__)
INT2: Final = ColumnType(primitive(Type.INT16), int)
INT4: Final = ColumnType(primitive(Type.INT32), int)
INT8: Final = ColumnType(primitive(Type.INT64), int)
FLOAT4: Final = ColumnType(primitive(Type.FLOAT32), float)
FLOAT8: Final = ColumnType(primitive(Type.FLOAT64), float)

EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Arithmetic that never rounds what PostgreSQL can hold."""

_SPECIAL: Final = {b"NaN": "NAN", b"Infinity": "POSITIVE_INFINITY", b"-Infinity": "NEGATIVE_INFINITY"}
"""What Debezium writes under `decimal.handling.mode=string`."""


def numeric(typmod: int, modes: ValueModes) -> ColumnType:
    """`numeric` with a precision becomes Connect's Decimal of its scale, without one a struct with a scale a value."""
    if modes.decimal == "double":
        return ColumnType(primitive(Type.FLOAT64), float)
    if modes.decimal == "string":
        return ColumnType(primitive(Type.STRING), _as_text)
    if typmod < 4:
        return ColumnType(variable_scale_decimal(), _as_struct)
    precision, scale = precision_and_scale(typmod)
    return ColumnType(decimal(scale, precision), _fixed(scale))


def precision_and_scale(typmod: int) -> tuple[int, int]:
    """Of a `numeric(precision, scale)`; the scale has 11 bits and may be negative from PostgreSQL 15 on."""
    packed = typmod - 4
    return (packed >> 16) & 0xFFFF, ((packed & 0x7FF) ^ 0x400) - 0x400


def scale_of(schema: Schema) -> int:
    return int(schema.parameters["scale"])


def quantized(value: Decimal, scale: int) -> Decimal:
    """The same number with exactly `scale` fractional digits. Raises `ArithmeticError` where it would round."""
    result = value.quantize(Decimal((0, (1,), -scale)), context=EXACT)
    if result != value:
        raise ArithmeticError(f"more than {scale} fractional digits")
    return result


def _finite(text: bytes) -> Decimal:
    value = Decimal(text.decode())
    if not value.is_finite():
        raise Undecodable(
            f"{text.decode()} is no number that decimal.handling.mode=precise can express; "
            "set decimal.handling.mode to string or double"
        )
    return value


def _fixed(scale: int) -> Callable[[bytes], Any]:
    if scale >= 0:
        return _finite  # the server writes all fractional digits
    return lambda text: quantized(_finite(text), scale)


def _as_text(text: bytes) -> str:
    return _SPECIAL.get(text) or text.decode()


def _as_struct(text: bytes) -> dict[str, Any]:
    _finite(text)
    whole, _, fraction = text.partition(b".")
    fraction = fraction.rstrip(b"0")
    digits = whole + fraction
    # int() refuses more than 4300 digits, numeric holds 147,455
    unscaled = int(digits) if len(digits) < 4000 else int(Decimal(digits.decode()))
    return {"scale": len(fraction), "value": twos_complement(unscaled)}


def twos_complement(number: int) -> bytes:
    """Big-endian and as short as possible, as java.math.BigInteger.toByteArray."""
    bits = (number if number >= 0 else ~number).bit_length()
    return number.to_bytes(bits // 8 + 1, "big", signed=True)
