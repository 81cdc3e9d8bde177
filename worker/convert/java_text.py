"""How Java writes numbers and strings, where Python or orjson would write them in another way.

Source: com.fasterxml.jackson.core.json.UTF8JsonGenerator (Jackson 2.21, as Kafka 4.3 sets it up); numbers are
`headwater.worker.api.java.numbers`'s.
"""

from __future__ import annotations

import re
import struct
from typing import Final

from headwater.worker.api.java.numbers import decimal_text, double_text, float_text, is_plain, to_float32

__all__ = ["as_jackson", "decimal_text", "double_text", "float_text", "is_plain", "to_float32"]

_ASTRAL: Final = re.compile(rb"[\xf0-\xf4][\x80-\xbf]{3}")
_ESCAPE: Final = re.compile(rb"\\(?:u00[01][0-9a-f]|.)", re.DOTALL)
_ASTRAL_LEADS: Final = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")


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
