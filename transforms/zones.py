"""A time zone's offset from UTC, as java.time.ZoneRules gives it, for any year."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

_OFFSET: Final = re.compile(r"([+-])(\d\d):(\d\d)(?::(\d\d))?")
_EPOCH: Final = datetime(1970, 1, 1)
_YEAR_1: Final = int((datetime(1, 1, 3) - _EPOCH).total_seconds())
_YEAR_9999: Final = int((datetime(9999, 12, 29) - _EPOCH).total_seconds())
_CYCLE: Final = 146_097 * 86_400
"""Seconds of 400 years, after which the calendar repeats."""


class Zone:
    def __init__(self, name: str) -> None:
        """`name`: of the tz database, or ±hh:mm[:ss]. Raises `ValueError`."""
        self._fixed: int | None = None
        self._zone: tzinfo = UTC
        if found := _OFFSET.fullmatch(name):
            seconds = int(found[2]) * 3600 + int(found[3]) * 60 + int(found[4] or 0)
            if seconds > 18 * 3600 or int(found[3]) > 59 or int(found[4] or 0) > 59:
                raise ValueError(f"{name} is no offset from UTC")
            self._fixed = -seconds if found[1] == "-" else seconds
        elif name in available_timezones():
            self._zone = ZoneInfo(name)
        else:
            raise ValueError(f"there is no time zone {name}")

    def at_local(self, seconds: int) -> int:
        """Seconds east of UTC when clocks in the zone showed this many seconds since 1970-01-01T00:00.

        Where they showed it twice or never, the offset before the change.
        """
        if self._fixed is not None:
            return self._fixed
        return _seconds((_EPOCH + timedelta(seconds=_within(seconds))).replace(tzinfo=self._zone))

    def at_instant(self, seconds: int) -> int:
        if self._fixed is not None:
            return self._fixed
        moment = (_EPOCH + timedelta(seconds=_within(seconds))).replace(tzinfo=UTC)
        return _seconds(moment.astimezone(self._zone))


def _seconds(moment: datetime) -> int:
    offset = moment.utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _within(seconds: int) -> int:
    """The same place in the calendar within the years that Python knows; before them, the first one."""
    if seconds > _YEAR_9999:
        return _YEAR_9999 - _CYCLE + (seconds - _YEAR_9999) % _CYCLE
    return max(seconds, _YEAR_1)
