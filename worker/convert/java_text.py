"""How Java writes numbers and strings, where Python or orjson would write them in another way.

Sources: java.lang.Double/Float.toString (JDK 19 and newer: the shortest form), java.math.BigDecimal.toString,
com.fasterxml.jackson.core.json.UTF8JsonGenerator (Jackson 2.21, as Kafka 4.3 sets it up).
"""

from __future__ import annotations

import math
import re
import struct
from decimal import Decimal
from typing import Final

_FLOAT32: Final = struct.Struct("<f")
_SMALLEST_NORMAL_FLOAT32: Final = 2.0**-126
_ASTRAL: Final = re.compile(rb"[\xf0-\xf4][\x80-\xbf]{3}")
_ESCAPE: Final = re.compile(rb"\\(?:u00[01][0-9a-f]|.)", re.DOTALL)
_ASTRAL_LEADS: Final = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")
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


def as_jackson(json_text: bytes) -> bytes:
    """orjson's output with Jackson's escapes: upper-case hex, surrogate pairs for what lies beyond U+FFFF."""
    if b"\\" in json_text and b"\\u00" in json_text:
        json_text = _ESCAPE.sub(_upper, json_text)
    if not json_text.isascii() and any(lead in json_text for lead in _ASTRAL_LEADS):
        json_text = _ASTRAL.sub(_surrogates, json_text)
    return json_text


def _upper(found: re.Match[bytes]) -> bytes:
    escape = found[0]
    return b"\\u00" + escape[4:].upper() if len(escape) == 6 else escape


def _surrogates(found: re.Match[bytes]) -> bytes:
    high, low = struct.unpack(">HH", found[0].decode().encode("utf-16-be"))
    return b"\\u%04X\\u%04X" % (high, low)
