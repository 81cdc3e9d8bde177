"""Fields of stored positions: of their types, or an error that names the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def number(fields: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """0 or more, or the default. Without one the field must be there. Raises `ValueError`."""
    value = fields.get(name, default)
    if type(value) is not int or value < min(0, 0 if default is None else default):
        raise ValueError(f'"{name}" must be a whole number of 0 or more, not {value!r}')
    return value


def text(fields: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """Without a default the field must be there. Raises `ValueError`."""
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise ValueError(f'"{name}" must be text, not {value!r}')
    return value
