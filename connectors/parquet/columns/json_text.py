"""Values that have no schema, as JSON text."""

from __future__ import annotations

import base64
import json
import math
from decimal import Decimal
from typing import Any, Final

_NOT_FINITE: Final = {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}


def json_text(value: Any) -> str:
    """Compact JSON, the members in the order they have: bytes as base64, NaN and infinity as strings, Decimals as
    numbers with all their digits. Raises `TypeError` for what JSON has no form for."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else _NOT_FINITE[str(value)]
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else f'"{value}"'
    if isinstance(value, dict):
        return "{" + ",".join(f"{_name(key)}:{json_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_text, value)) + "]"
    if isinstance(value, bytes | bytearray | memoryview):
        return json.dumps(base64.b64encode(value).decode())
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _name(key: Any) -> str:
    return json.dumps(key if isinstance(key, str) else json_text(key), ensure_ascii=False)
