"""`timestamptz` and `timetz`: text in UTC.

Source: io.debezium.time.{ZonedTimestamp,ZonedTime}, PostgresValueConverter of Debezium 3.7.
"""

from __future__ import annotations

import re

from headwater.connectors.debezium import names

from .calendar_day import DAY_US, clock_micros, iso_clock, parse_moment
from .column_type import ColumnType

_AFTER_SECONDS = b".+"
_TIMETZ = re.compile(rb"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?")


def timestamptz(typmod: int) -> ColumnType:
    """As many fractional digits as the column has, also zeros; `typmod` -1 means six. Needs `timezone=UTC`."""
    digits = typmod if 0 <= typmod < 6 else 6
    # of 2016-11-04 11:51:30.123456+00, the form that needs no more than a few moved characters
    length = 19 + (digits + 1 if digits else 0) + 3
    no_fraction = (b"." + b"0" * digits if digits else b"") + b"Z"

    def decode(text: bytes) -> str:
        if len(text) == length and text[19] in _AFTER_SECONDS and text[-3:] == b"+00":
            return (text[:10] + b"T" + text[11:-3] + b"Z").decode()
        if len(text) == 22 and text[10:11] == b" " and text[-3:] == b"+00":  # a whole second
            return (text[:10] + b"T" + text[11:19] + no_fraction).decode()
        if text in (b"infinity", b"-infinity"):
            return text.decode()
        moment = parse_moment(text)
        if not moment.zoned:
            raise ValueError("a timestamptz without a zone")
        clock = iso_clock(moment.micros - moment.micros % 1_000_000)
        fraction = f".{moment.micros % 1_000_000:06d}"[: digits + 1] if digits else ""
        return f"{moment.iso_date}T{clock}{fraction}Z"

    return ColumnType(names.semantic(names.ZONED_TIMESTAMP), decode)


def timetz() -> ColumnType:
    """Fractional digits as needed. The original offset is lost; 24:00:00+00 stays what it is."""
    return ColumnType(names.semantic(names.ZONED_TIME), _time)


def _time(text: bytes) -> str:
    found = _TIMETZ.fullmatch(text)
    if found is None:
        raise ValueError("not a timetz in ISO style")
    hour, minute, second, fraction, sign, hours, minutes, seconds = found.groups()
    local = clock_micros(int(hour), int(minute), int(second), fraction)
    east = clock_micros(int(hours), int(minutes or 0), int(seconds or 0), None)
    if local == DAY_US and east == 0:
        return "24:00:00Z"
    return iso_clock((local - (east if sign == b"+" else -east)) % DAY_US) + "Z"
