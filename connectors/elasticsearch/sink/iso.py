"""Dates and times as ISO 8601, for every year: the forms that Elasticsearch's strict_date_optional_time reads."""

from __future__ import annotations

import math
from typing import Final

DAY_US: Final = 86_400_000_000


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Year, month and day of days since 1970-01-01, proleptic Gregorian (H. Hinnant's algorithm). Year 0 is 1 BC."""
    days += 719_468
    era = days // 146_097
    of_era = days - era * 146_097
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def date_text(days: float) -> str:
    """`2020-01-31`; years above 9999 have a +, as java.time writes them; `infinity`."""
    if math.isinf(days):
        return _infinite(days)
    year, month, day = civil_from_days(int(days))
    return f"{_year(year)}-{month:02}-{day:02}"


def timestamp_text(micros: float) -> str:
    """Of microseconds since 1970 UTC: `2020-01-31T10:15:30.123456Z`, with as many digits of the second as it needs."""
    if math.isinf(micros):
        return _infinite(micros)
    days, rest = divmod(int(micros), DAY_US)
    return f"{date_text(days)}T{clock_text(rest)}Z"


def clock_text(micros: int) -> str:
    """Of microseconds since midnight: `10:15:30`, `10:15:30.5`, `24:00:00`."""
    seconds, fraction = divmod(micros, 1_000_000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}".rstrip("0") if fraction else text


def _year(year: int) -> str:
    if year > 9999:
        return f"+{year}"
    return f"{year:04}" if year >= 0 else f"-{-year:04}"


def _infinite(value: float) -> str:
    return "infinity" if value > 0 else "-infinity"
