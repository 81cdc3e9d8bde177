"""Names: from a topic to the index that readers see, from it to the physical index of one generation."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from headwater.worker.api import DataError

LONGEST: Final = 255
"""Bytes of an index's name."""
_SPARE: Final = 40
"""Bytes that a generation's suffix and a data stream's backing index add."""
_ILLEGAL: Final = re.compile(r'[\\/*?"<>| ,#:]')
_PLACEHOLDER: Final = re.compile(r"\$\{([^}]*)\}")


def unknown_placeholders(pattern: str) -> list[str]:
    return [name for name in _PLACEHOLDER.findall(pattern) if name != "topic"]


def index_name(pattern: str, topic: str) -> str:
    """The public name for records of `topic`: lower case, illegal characters as _, as Confluent's sink does.

    Raises `DataError` where that gives no legal name.
    """
    name = _ILLEGAL.sub("_", pattern.replace("${topic}", topic).lower())
    if not name or name in (".", "..") or name[0] in "-_+":
        raise DataError(f"{topic}: index.name.format gives {name!r}, which is no name for an index")
    if len(name.encode()) > LONGEST - _SPARE:
        raise DataError(f"{topic}: index.name.format gives a name longer than {LONGEST - _SPARE} bytes: {name}")
    return name


def physical_name(public: str, generation: int) -> str:
    return f"{public}-g{generation}"


def write_alias(physical: str) -> str:
    """What tasks write to: unlike an index, an alias is never made by writing to it."""
    return f"{physical}-write"


def view_name(view: str) -> str:
    """The part of a state index's name that stands for a view: different ones for different views."""
    plain = re.sub(r"[^a-z0-9_.-]", "_", view.lower())
    if plain == view and len(plain) <= 100:
        return plain
    return f"{plain[:80]}-{hashlib.blake2b(view.encode(), digest_size=5).hexdigest()}"
