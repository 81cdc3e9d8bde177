"""The form of a document that verification compares: from a record, and from what the server gives back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

from headwater.worker.api import digest


def document_digest(document: Mapping[str, Any]) -> int:
    """128 bits, of fields in the order of their names; a field that is null counts as one that is not there."""
    return digest(_sorted({name: value for name, value in document.items() if value is not None}))


def shown(document: Mapping[str, Any]) -> str:
    """For people."""
    return _sorted(document).decode()


def _sorted(document: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a number beyond 64 bits, which somebody else has written
        return json.dumps(document, sort_keys=True).encode()
