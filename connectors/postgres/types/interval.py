"""`interval`: microseconds, or ISO 8601 text.

Source: io.debezium.time.{MicroDuration,Interval} of Debezium 3.7; PostgreSQL's interval style "postgres".
"""

from __future__ import annotations

import re
from typing import NamedTuple

from headwater.connectors.debezium import names

from .calendar_day import DAY_US, clock_micros, iso_fraction
from .column_type import ColumnType, Undecodable
from .modes import ValueModes

MONTH_US = 2_629_800_000_000
"""A twelfth of 365.25 days."""

_TEXT = re.compile(
    rb"(?:([+-]?\d+) years? ?)?(?:([+-]?\d+) mons? ?)?(?:([+-]?\d+) days? ?)?"
    rb"(?:([+-]?)(\d{2,}):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?"
)
_INFINITE = (b"infinity", b"-infinity")


class Parts(NamedTuple):
    years: int
    months: int
    days: int
    micros: int


def parse_interval(text: bytes) -> Parts:
    found = _TEXT.fullmatch(text)
    if found is None or not text:
        raise ValueError("not an interval in the style postgres")
    years, months, days, sign, hours, minutes, seconds, fraction = found.groups()
    micros = 0
    if hours is not None:
        micros = clock_micros(int(hours), int(minutes), int(seconds), fraction)
    return Parts(int(years or 0), int(months or 0), int(days or 0), -micros if sign == b"-" else micros)


def interval(modes: ValueModes) -> ColumnType:
    if modes.interval == "string":
        return ColumnType(names.semantic(names.INTERVAL), _iso)
    return ColumnType(names.semantic(names.MICRO_DURATION), _micros)


def _micros(text: bytes) -> int:
    if text in _INFINITE:
        raise Undecodable(f"{text.decode()} has no length; set interval.handling.mode to string")
    parts = parse_interval(text)
    total = (parts.years * 12 + parts.months) * MONTH_US + parts.days * DAY_US + parts.micros
    if not -(2**63) <= total < 2**63:
        raise Undecodable("is longer than microseconds in 64 bits can say; set interval.handling.mode to string")
    return total


def _iso(text: bytes) -> str:
    if text in _INFINITE:
        return text.decode()
    years, months, days, micros = parse_interval(text)
    sign = "-" if micros < 0 else ""
    whole = abs(micros) // 1_000_000
    hours, minutes = whole // 3600, whole // 60 % 60

    def signed(number: int, fraction: str = "") -> str:
        return f"{sign if number or fraction else ''}{number}{fraction}"

    second = signed(whole % 60, iso_fraction(abs(micros)))
    return f"P{years}Y{months}M{days}DT{signed(hours)}H{signed(minutes)}M{second}S"
