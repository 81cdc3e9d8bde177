"""Dates and times as whole numbers, exact for every year that PostgreSQL knows (4713 BC to 294276 AD).

Results count from 1970-01-01. Infinity is `math.inf` or `-math.inf`.
Formats: Debezium's `io.debezium.time.*` (ISO 8601 as java.time writes it: year 0 is 1 BC, years above 9999 have a +).
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Final

DAY_US: Final = 86_400_000_000
INFINITE_US: Final = frozenset({9_223_372_036_825_200_000, 9_223_372_036_854_775_807})
"""Debezium's infinity in microseconds (org.postgresql.PGStatement.DATE_POSITIVE_INFINITY), and Java's largest long."""
NEGATIVE_INFINITE_US: Final = frozenset({-9_223_372_036_832_400_000, -9_223_372_036_854_775_808})
INFINITE_DAYS: Final = frozenset({2_146_033_979, -622_191_234, -2_147_472_692, 2**31 - 1})
"""Debezium 3.7.0's infinity in days while streaming, in a snapshot, an older one, and Java's largest int."""
NEGATIVE_INFINITE_DAYS: Final = frozenset({-2_147_472_691, -625_821_272, -(2**31)})
INFINITE_INTERVAL: Final = (2**31 - 1, 2**31 - 1, 2**63 - 1)
"""How PostgreSQL 17 and later hold an interval of infinity: months, days, microseconds."""
NEGATIVE_INFINITE_INTERVAL: Final = (-(2**31), -(2**31), -(2**63))

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_INFINITE_TEXT: Final = {
    "infinity": math.inf,
    "-infinity": -math.inf,
    "+292278994-08-16T23:00:00Z": math.inf,
    "-292275055-05-16T23:00:00Z": -math.inf,
    "+294247-01-10T04:00:25.200Z": math.inf,
    "-290308-12-21T19:59:27.600Z": -math.inf,
}
_ZONE: Final = r"(?P<zone>Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?"
_CLOCK: Final = r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?"
_DATE: Final = r"(?P<year>[+-]?\d{4,9})-(?P<month>\d\d)-(?P<day>\d\d)"
_TIMESTAMP: Final = re.compile(f"{_DATE}[T ]{_CLOCK}{_ZONE}")
_TIME: Final = re.compile(_CLOCK + _ZONE)
_DAY: Final = re.compile(_DATE + _ZONE)
_NUMBER: Final = r"([+-]?\d+(?:\.\d+)?)"
_INTERVAL: Final = re.compile(
    rf"(?P<sign>-?)P(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?"
)


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar (H. Hinnant's algorithm)."""
    year -= month <= 2
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def micros(value: int) -> float:
    """Microseconds since 1970, or infinity where it is Debezium's number for it."""
    if value in INFINITE_US:
        return math.inf
    return -math.inf if value in NEGATIVE_INFINITE_US else value


def millis(value: int) -> float:
    """The same of milliseconds; Debezium writes infinity in either unit's number."""
    if value in INFINITE_US or value * 1000 in INFINITE_US:
        return math.inf
    if value in NEGATIVE_INFINITE_US or value * 1000 in NEGATIVE_INFINITE_US:
        return -math.inf
    return value * 1000


def nanos(value: int) -> float:
    """Microseconds of nanoseconds; finer digits, which PostgreSQL cannot hold, are cut off."""
    if value in INFINITE_US:
        return math.inf
    return -math.inf if value in NEGATIVE_INFINITE_US else value // 1000


def days(value: int) -> float:
    if value in INFINITE_DAYS:
        return math.inf
    return -math.inf if value in NEGATIVE_INFINITE_DAYS else value


def parse_timestamp(text: str) -> float:
    """Microseconds since 1970 UTC of an ISO 8601 date and time; without a zone it is UTC. Raises `ValueError`."""
    if (known := _INFINITE_TEXT.get(text)) is not None:
        return known
    if text[:1].isdigit() and text[4:5] == "-" and text[:4] != "0000" and "24:" not in text[10:14]:
        moment = datetime.fromisoformat(text)
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
    found = _match(_TIMESTAMP, text)
    whole = days_from_civil(int(found["year"]), int(found["month"]), int(found["day"])) * DAY_US
    return whole + _clock(found) - _offset(found["zone"]) * 1_000_000


def parse_time(text: str) -> tuple[int, int]:
    """Microseconds since midnight, and the zone in seconds east of Greenwich. Raises `ValueError`."""
    found = _match(_TIME, text)
    return _clock(found), _offset(found["zone"])


def parse_date(text: str) -> float:
    """Days since 1970 of `2020-01-31`, with or without a zone, which is dropped. Raises `ValueError`."""
    if (known := _INFINITE_TEXT.get(text)) is not None:
        return known
    found = _match(_DAY, text)
    return days_from_civil(int(found["year"]), int(found["month"]), int(found["day"]))


def parse_interval(text: str) -> tuple[int, int, int]:
    """Months, days and microseconds of an ISO 8601 duration, e.g. `P1Y2M3DT4H5M6.7S`. Raises `ValueError`."""
    if text in ("infinity", "-infinity"):
        return INFINITE_INTERVAL if text == "infinity" else NEGATIVE_INFINITE_INTERVAL
    found = _INTERVAL.fullmatch(text)
    if found is None or text.endswith(("P", "T")):
        raise ValueError(f"{text!r} is not an ISO 8601 duration")
    sign = -1 if found["sign"] else 1
    years, months, weeks, day, hours, minutes, seconds = found.groups()[1:]
    total_days = _scaled(weeks, 7) + _scaled(day, 1)
    clock = _scaled(hours, 3_600_000_000) + _scaled(minutes, 60_000_000) + _scaled(seconds, 1_000_000)
    return sign * (_scaled(years, 12) + _scaled(months, 1)), sign * total_days, sign * clock


def _match(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not an ISO 8601 date or time")
    return found


def _clock(found: re.Match[str]) -> int:
    whole = int(found["hour"]) * 3600 + int(found["minute"]) * 60 + int(found["second"] or 0)
    return whole * 1_000_000 + int((found["fraction"] or "0").ljust(6, "0")[:6])


def _offset(zone: str | None) -> int:
    if zone is None or zone == "Z":
        return 0
    digits = zone[1:].replace(":", "").ljust(6, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:6])
    return -seconds if zone[0] == "-" else seconds


def _scaled(number: str | None, unit: int) -> int:
    """`number` times `unit`, exact for up to the unit's own resolution."""
    if number is None:
        return 0
    whole, _, fraction = number.partition(".")
    negative = whole.startswith("-")
    part = int(fraction or "0") * unit // int(10 ** max(1, len(fraction)))
    return int(whole) * unit + (-part if negative else part)
