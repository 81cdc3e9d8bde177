"""Connect's Decimal as bytes: the unscaled number, big-endian two's complement; the scale stands in the schema.

Source: org.apache.kafka.connect.data.Decimal, java.math.BigInteger.toByteArray.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation

from headwater.worker.api import Schema

_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation])


def scale_of(schema: Schema) -> int:
    """Raises `ValueError` where the schema does not tell."""
    scale = schema.parameters.get("scale")
    if scale is None:
        raise ValueError("its Decimal schema has no parameter scale")
    return int(scale)


def to_unscaled(number: Decimal, scale: int) -> bytes:
    """Raises `ValueError` for NaN, infinity and for digits beyond the scale."""
    if not number.is_finite():
        raise ValueError(f"{number} cannot be a Decimal")
    unscaled = _EXACT.scaleb(number, scale)
    whole = int(unscaled)
    if whole != unscaled:
        raise ValueError(f"the number has more than the {scale} decimals of its schema")
    return whole.to_bytes((whole if whole >= 0 else ~whole).bit_length() // 8 + 1, "big", signed=True)


def from_unscaled(data: bytes, scale: int) -> Decimal:
    """Raises `ValueError` for empty bytes."""
    if not data:
        raise ValueError("the number has no bytes")
    return _EXACT.scaleb(Decimal(int.from_bytes(data, "big", signed=True)), -scale)
