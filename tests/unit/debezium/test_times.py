from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.debezium import times

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.dates())
def test_days_are_those_of_the_calendar(day: date) -> None:
    assert times.days_from_civil(day.year, day.month, day.day) == (day - date(1970, 1, 1)).days
    assert times.parse_date(day.isoformat() + "Z") == (day - date(1970, 1, 1)).days


@given(st.integers(-4_000, 250_000), st.integers(1, 12), st.integers(1, 28))
def test_days_of_far_years_repeat_every_400(year: int, month: int, day: int) -> None:
    assert times.days_from_civil(year + 400, month, day) - times.days_from_civil(year, month, day) == 146_097


@given(st.datetimes(timezones=st.timezones()))
def test_moments_are_read_in_any_zone(moment: datetime) -> None:
    offset = moment.utcoffset()
    assert offset is not None
    expected = (moment.replace(tzinfo=UTC) - offset - EPOCH) // timedelta(microseconds=1)
    assert times.parse_timestamp(moment.isoformat()) == expected
    assert times.parse_timestamp(moment.isoformat(sep=" ")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.1Z", 100_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456),
        ("1969-12-31T24:00:00Z", 0),
        ("1970-01-01T02:30:00+02:30", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("+10000-01-01T00:00:00Z", 253_402_300_800_000_000),
        ("0000-12-31T00:00:00Z", -62_135_683_200_000_000),
        ("infinity", math.inf),
        ("-infinity", -math.inf),
    ],
)
def test_moments_beyond_the_ordinary(text: str, expected: float) -> None:
    assert times.parse_timestamp(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P0Y0M0DT0H0M0S", (0, 0, 0)),
        ("P1Y2M3DT4H5M6.7S", (14, 3, 14_706_700_000)),
        ("P-1Y-2M3DT-4H-5M-6.7S", (-14, 3, -14_706_700_000)),
        ("PT-0.000001S", (0, 0, -1)),
        ("P2W", (0, 14, 0)),
        ("-P1DT1S", (0, -1, -1_000_000)),
        ("infinity", times.INFINITE_INTERVAL),
    ],
)
def test_durations(text: str, expected: tuple[int, int, int]) -> None:
    assert times.parse_interval(text) == expected


@pytest.mark.parametrize("text", ["", "P", "PT", "P1Y2", "1 day", "P1H"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        times.parse_interval(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10:15:30.5Z", (36_930_500_000, 0)),
        ("24:00:00Z", (86_400_000_000, 0)),
        ("10:15-05:30", (36_900_000_000, -19_800)),
        ("00:00:00+14:59:59", (0, 53_999)),
    ],
)
def test_times(text: str, expected: tuple[int, int]) -> None:
    assert times.parse_time(text) == expected


def test_infinity_is_known_in_each_unit() -> None:
    assert times.days(-2_147_472_692) == math.inf and times.days(-2_147_472_691) == -math.inf
    assert times.micros(9_223_372_036_825_200_000) == math.inf
    assert times.millis(9_223_372_036_825_200) == math.inf and times.millis(-9_223_372_036_832_400) == -math.inf
    assert times.nanos(2**63 - 1) == math.inf and times.nanos(-(2**63)) == -math.inf
    assert (times.days(1), times.micros(1), times.millis(1), times.nanos(1)) == (1, 1, 1000, 0)
