"""`path.format` of Confluent's TimeBasedPartitioner, as far as it is digits: `'year'=YYYY/'month'=MM/'day'=dd`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

_PIECE: Final = re.compile(r"'([^']*)'|(YYYY|yyyy|MM|dd|HH|mm)|([A-Za-z]+)|([^A-Za-z']+)")
_DIGITS: Final = {"YYYY": "{0:%Y}", "yyyy": "{0:%Y}", "MM": "{0:%m}", "dd": "{0:%d}", "HH": "{0:%H}", "mm": "{0:%M}"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def format_problem(value: Any) -> str | None:
    """What is wrong with a path format, or None."""
    if not value:
        return "is empty"
    if unknown := [found[3] for found in _PIECE.finditer(value) if found[3]]:
        return f"knows YYYY, MM, dd, HH, mm and text in quotes, not {', '.join(unknown)}"
    made = folder_of(value, UTC, 0)
    if "'" in re.sub(r"'[^']*'", "", value):
        return "has a quote without its other half"
    if any(part in ("", ".", "..") or part.startswith(".~") for part in made.split("/")):
        return "must be folders separated by single slashes"
    return None


def folder_of(path_format: str, zone: tzinfo, timestamp_ms: int) -> str:
    """The folder of a moment. Raises `OverflowError` beyond the years 1 to 9999."""
    moment = (_EPOCH + timedelta(milliseconds=timestamp_ms)).astimezone(zone)
    pieces = []
    for found in _PIECE.finditer(path_format):
        quoted, digits, _, other = found.groups()
        if digits:
            text = _DIGITS[digits].format(moment)
            pieces.append(text.zfill(4) if digits in ("YYYY", "yyyy") else text)
        else:
            pieces.append(quoted if quoted is not None else other or "")
    return "".join(pieces)
