"""How Java writes numbers, where Python would write them in another way.

Sources: java.lang.Double/Float.toString (JDK 19 and newer: the shortest form), java.math.BigDecimal.toString.
"""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from typing import Final

_FLOAT32: Final = struct.Struct("<f")
_SMALLEST_NORMAL_FLOAT32: Final = 2.0**-126
_SPECIAL: Final = {math.inf: "Infinity", -math.inf: "-Infinity"}


def is_plain(number: float) -> bool:
    """Does Java write it without an exponent, just as Python does?"""
    return 0.001 <= number < 1e7 or -1e7 < number <= -0.001 or number == 0.0


def double_text(number: float) -> str:
    if is_plain(number):
        return repr(number)
    if number != number:
        return "NaN"
    return _SPECIAL.get(number) or _scientific(_two_digits(number, repr(number), number))


def float_text(number: float) -> str:
    """The shortest decimal that is nearest to this float32."""
    if number != number:
        return "NaN"
    if number in _SPECIAL:
        return _SPECIAL[number]
    single = to_float32(number)
    if single in _SPECIAL:
        return _SPECIAL[single]
    text = repr(single)
    for digits in range(6 if abs(single) >= _SMALLEST_NORMAL_FLOAT32 else 1, 10):
        text = f"{single:.{digits}g}"
        if to_float32(float(text)) == single:
            break
    return repr(float(text)) if is_plain(float(text)) else _scientific(_two_digits(single, text, None))


def to_float32(number: float) -> float:
    """The nearest float32, infinite where it is out of range."""
    try:
        return float(_FLOAT32.unpack(_FLOAT32.pack(number))[0])
    except OverflowError:
        return math.copysign(math.inf, number)


def decimal_text(number: Decimal) -> str:
    return str(number if number else number.copy_abs())  # BigDecimal has no negative zero


def _two_digits(number: float, text: str, double: float | None) -> str:
    """Where one digit would do, Java looks for the nearest decimal of two: 4.9E-324, not 5E-324."""
    if len(Decimal(text).normalize().as_tuple().digits) == 1:
        longer = f"{number:.1e}"
        same = float(longer) == double if double is not None else to_float32(float(longer)) == number
        return longer if same else text
    return text


def _scientific(text: str) -> str:
    sign, digits, exponent = Decimal(text).as_tuple()
    assert isinstance(exponent, int)
    figures = "".join(map(str, digits)).lstrip("0")
    power = exponent + len(figures) - 1
    figures = figures.rstrip("0")
    return f"{'-' if sign else ''}{figures[0]}.{figures[1:] or '0'}E{power}"
