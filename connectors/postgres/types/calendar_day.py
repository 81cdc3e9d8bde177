"""Days, also before Christ and after the year 9999, which Python's datetime does not know.

Source: PostgreSQL's ISO date style; java.time.format.DateTimeFormatter.ISO_LOCAL_DATE for the form of years.
"""

from __future__ import annotations

import re
from datetime import date
from typing import NamedTuple

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_TEXT = re.compile(
    rb"(\d{4,7})-(\d\d)-(\d\d)"
    rb"(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?"
    rb"(\+00)?( BC)?"
)

DAY_US = 86_400_000_000


class Moment(NamedTuple):
    """`year` is astronomical: 1 BC is 0. `micros` of the day."""

    year: int
    month: int
    day: int
    micros: int
    zoned: bool

    @property
    def epoch_days(self) -> int:
        return epoch_days(self.year, self.month, self.day)

    @property
    def epoch_micros(self) -> int:
        return self.epoch_days * DAY_US + self.micros

    @property
    def iso_date(self) -> str:
        return f"{iso_year(self.year)}-{self.month:02d}-{self.day:02d}"


def parse_moment(text: bytes) -> Moment:
    """A date or timestamp of any year in PostgreSQL's ISO style, in UTC. Raises `ValueError`."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError("not a date in ISO style and UTC")
    year, month, day, hour, minute, second, fraction, zone, bc = found.groups()
    micros = 0
    if hour is not None:
        micros = clock_micros(int(hour), int(minute), int(second), fraction)
    astronomical = 1 - int(year) if bc else int(year)
    return Moment(astronomical, int(month), int(day), micros, zone is not None)


def clock_micros(hour: int, minute: int, second: int, fraction: bytes | None) -> int:
    return (hour * 3600 + minute * 60 + second) * 1_000_000 + (int(fraction.ljust(6, b"0")) if fraction else 0)


def epoch_days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar. Raises `ValueError` for a day that does not exist."""
    # a shift by whole cycles of 400 years, which have the same days, into what datetime can count
    cycles, within = divmod(year - 1, 400)
    return date(within + 1, month, day).toordinal() - _EPOCH_ORDINAL + cycles * 146_097


def iso_year(year: int) -> str:
    if 0 <= year <= 9999:
        return f"{year:04d}"
    return f"+{year}" if year > 0 else f"-{-year:04d}"


def iso_fraction(micros: int) -> str:
    """The fraction of a second with its point and without zeros at the end; empty for none."""
    return f".{micros % 1_000_000:06d}".rstrip("0").rstrip(".")


def iso_clock(micros: int) -> str:
    """Time of day as HH:MM:SS with as many fractional digits as it needs."""
    seconds = micros // 1_000_000
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{iso_fraction(micros)}"
