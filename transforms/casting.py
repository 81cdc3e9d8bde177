"""Values of one type as values of another, as Java casts and parses them.

Source: org.apache.kafka.connect.transforms.Cast (Kafka 4.3.1): whole numbers wrap around where they do not fit,
fractions are cut off and end at the target's limits, texts that are no such number are refused.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from headwater.worker.api import DATE, TIME, TIMESTAMP, DataError, Schema, Type, shortened
from headwater.worker.api.java.dates import DAY_MS
from headwater.worker.api.java.numbers import decimal_text, double_text, float_text, to_float32
from headwater.worker.api.java.values import date_text

Caster = Callable[[Any], Any]
"""Takes no null. Raises `DataError`."""

_BITS: Final = {Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64}
TARGETS: Final = (*_BITS, Type.FLOAT32, Type.FLOAT64, Type.BOOLEAN, Type.STRING)
_LONGEST: Final = 4000
"""Texts of numbers; Python reads no much longer ones."""
_WHOLE: Final = re.compile(r"[+-]?\d+")
_FRACTION: Final = re.compile(
    r"[\x00-\x20]*([+-]?)(?:(NaN)|(Infinity)|((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[fFdD]?"
    r"|(0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?\d+)[fFdD]?)[\x00-\x20]*",
    re.ASCII,
)


def caster(source: Schema | None, target: Type) -> Caster:
    """For values of `source`; None: for values without a schema, by their Python type."""
    if target is Type.STRING:
        return lambda value: _text(value, source)
    if target is Type.BOOLEAN:
        return _boolean
    if target in _BITS:
        return _to_whole(_BITS[target])
    if target is Type.FLOAT64:
        return _fraction
    if source is not None:
        return lambda value: to_float32(_fraction(value))
    # Without a schema nothing says that it is a short fraction: the number that looks like it.
    return lambda value: float(float_text(_fraction(value)).replace("Infinity", "inf"))


def _to_whole(bits: int) -> Caster:
    limit: int = 2 ** (bits - 1)

    def cast(value: Any) -> int:
        if isinstance(value, str):
            whole = int(value) if _WHOLE.fullmatch(value) and len(value) < _LONGEST else limit
            if not -limit <= whole < limit:
                raise DataError(f"{shortened(value)!r} is not a whole number of {bits} bits")
            return whole
        return (_cut_off(value, max(bits, 32)) + limit) % (2 * limit) - limit

    return cast


def _cut_off(value: Any, bits: int) -> int:
    """A number without its fraction. Floats end at the limits of int or long before they are made narrower."""
    if not isinstance(value, float):
        return int(_number(value))
    if value != value:
        return 0
    limit: int = 2 ** (bits - 1)
    return max(-limit, min(limit - 1, int(max(-1e19, min(1e19, value)))))


def _number(value: Any) -> int | float | Decimal:
    if isinstance(value, int | float | Decimal):
        return value
    raise DataError(f"a value of type {type(value).__name__} is no number; it can be cast to string alone")


def _fraction(value: Any) -> float:
    if not isinstance(value, str):
        return float(_number(value))
    found = _FRACTION.fullmatch(value)
    if found is None:
        raise DataError(f"{shortened(value)!r} is not a number")
    number = float("nan") if found[2] else float("inf") if found[3] else 0.0
    if found[4]:
        number = float(found[4])
    elif found[5]:
        try:
            number = float.fromhex(found[5])
        except OverflowError:
            number = float("inf")
    return -number if found[1] == "-" else number


def _boolean(value: Any) -> bool:
    if isinstance(value, str):
        return value.lower() == "true"
    return value if isinstance(value, bool) else _cut_off(value, 64) != 0


def _text(value: Any, schema: Schema | None) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return b2a_base64(value, newline=False).decode()
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, float):
        return float_text(value) if schema is not None and schema.type is Type.FLOAT32 else double_text(value)
    if schema is not None and schema.name in (DATE, TIME, TIMESTAMP):
        return date_text(value * DAY_MS if schema.name == DATE else value)
    return str(value)
