from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.connectors.debezium import names
from headwater.connectors.postgres.types.calendar_day import epoch_days, iso_year
from headwater.connectors.postgres.types.column_type import Undecodable
from headwater.connectors.postgres.types.interval import interval, parse_interval
from headwater.connectors.postgres.types.modes import ValueModes
from headwater.connectors.postgres.types.temporal import date_type, time_type, timestamp_type
from headwater.connectors.postgres.types.zoned import timestamptz, timetz

ADAPTIVE = ValueModes()


def mode(name: str) -> ValueModes:
    return ValueModes(time_precision=name)


@given(st.dates())
def test_days(day: date) -> None:
    assert epoch_days(day.year, day.month, day.day) == day.toordinal() - date(1970, 1, 1).toordinal()
    assert date_type(ADAPTIVE).decode(str(day).encode()) == (day - date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("text", "days"),
    [
        (b"1970-01-01", 0),
        (b"0001-01-01", -719162),
        (b"0001-12-31 BC", -719163),
        (b"0001-02-29 BC", -719469),
        (b"4713-01-01 BC", -2440550),
        (b"5874897-12-31", 2145042905),
        (b"infinity", 2146033979),
        (b"-infinity", -2147472691),
    ],
)
def test_days_that_python_does_not_know(text: bytes, days: int) -> None:
    assert date_type(ADAPTIVE).decode(text) == days
    assert date_type(mode("connect")).decode(text) == days


@pytest.mark.parametrize("text", [b"", b"2020-02-30", b"2020-13-01", b"x", b"2020-01-01 AD", b"99999999-01-01"])
def test_no_date(text: bytes) -> None:
    with pytest.raises(ValueError):
        date_type(ADAPTIVE).decode(text)


@given(st.datetimes())
def test_timestamps(moment: datetime) -> None:
    text = f"{moment:%H:%M:%S}" + f".{moment.microsecond:06d}".rstrip("0").rstrip(".")
    text = f"{moment.date()} {text}"
    micros = (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    assert timestamp_type(-1, ADAPTIVE).decode(text.encode()) == micros
    assert timestamp_type(3, ADAPTIVE).decode(text.encode()) == micros // 1000
    assert timestamp_type(6, mode("isostring")).decode(text.encode()) == text.replace(" ", "T") + "Z"
    assert timestamptz(-1).decode(text.encode() + b"+00") == f"{moment.isoformat(timespec='microseconds')}Z"


@pytest.mark.parametrize(
    ("typmod", "name", "schema"),
    [
        (-1, "adaptive", names.MICRO_TIMESTAMP),
        (3, "adaptive", names.TIMESTAMP),
        (0, "adaptive_time_microseconds", names.TIMESTAMP),
        (4, "adaptive", names.MICRO_TIMESTAMP),
        (0, "microseconds", names.MICRO_TIMESTAMP),
        (0, "nanoseconds", names.NANO_TIMESTAMP),
        (0, "isostring", names.ISO_TIMESTAMP),
        (6, "connect", "org.apache.kafka.connect.data.Timestamp"),
    ],
)
def test_schema_of_a_timestamp(typmod: int, name: str, schema: str) -> None:
    assert timestamp_type(typmod, mode(name)).schema.name == schema


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        (b"4713-12-31 23:59:59.999999 BC", -210831897600000001),
        (b"21016-11-04 13:51:30.123457", 601060312290123457),
        (b"294247-01-01 23:59:59.999999", 9223371331199999999),
        (b"294247-01-10 04:00:54.775807", 2**63 - 1),
        (b"4714-11-24 00:00:00 BC", -210866803200000000),
    ],
)
def test_timestamps_that_python_does_not_know(text: bytes, micros: int) -> None:
    assert timestamp_type(-1, ADAPTIVE).decode(text) == micros
    assert timestamp_type(3, ADAPTIVE).decode(text) == micros // 1000


@pytest.mark.parametrize(
    ("typmod", "name", "values"),
    [
        (-1, "adaptive", [2**63 - 1, -(2**63)]),
        (3, "adaptive", [9223372036825200000, -9223372036832400000]),
        (-1, "connect", [9223372036825200000, -9223372036832400000]),
        (-1, "nanoseconds", [2**63 - 1, -(2**63)]),
        (-1, "isostring", ["infinity", "-infinity"]),
    ],
)
def test_endless_timestamps(typmod: int, name: str, values: list[object]) -> None:
    decode = timestamp_type(typmod, mode(name)).decode
    assert [decode(b"infinity"), decode(b"-infinity")] == values


def test_a_timestamp_beyond_64_bits_says_the_way_out() -> None:
    text = b"294276-12-31 23:59:59.999999"
    with pytest.raises(Undecodable, match="isostring"):
        timestamp_type(-1, ADAPTIVE).decode(text)
    with pytest.raises(Undecodable, match="isostring"):
        timestamp_type(-1, mode("nanoseconds")).decode(b"2263-01-01 00:00:00")
    assert timestamp_type(-1, mode("isostring")).decode(text) == "+294276-12-31T23:59:59.999999Z"


@pytest.mark.parametrize(
    ("typmod", "text", "shown"),
    [
        (-1, b"2016-11-04 11:51:30.123456+00", "2016-11-04T11:51:30.123456Z"),
        (-1, b"2020-04-01 11:51:02+00", "2020-04-01T11:51:02.000000Z"),
        (3, b"2020-04-01 11:51:02.5+00", "2020-04-01T11:51:02.500Z"),
        (0, b"2020-04-01 11:51:02+00", "2020-04-01T11:51:02Z"),
        (-1, b"21016-11-04 06:51:30.123456+00", "+21016-11-04T06:51:30.123456Z"),
        (5, b"21016-11-04 06:51:30.1234+00", "+21016-11-04T06:51:30.12340Z"),
        (-1, b"12016-11-04 06:51:30.12345+00", "+12016-11-04T06:51:30.123450Z"),
        (-1, b"4714-12-31 23:59:59.999999+00 BC", "-4713-12-31T23:59:59.999999Z"),
        (-1, b"0001-01-01 00:00:00+00 BC", "0000-01-01T00:00:00.000000Z"),
        (-1, b"294276-12-31 23:59:59.999999+00", "+294276-12-31T23:59:59.999999Z"),
        (-1, b"infinity", "infinity"),
        (6, b"-infinity", "-infinity"),
    ],
)
def test_timestamptz(typmod: int, text: bytes, shown: str) -> None:
    assert timestamptz(typmod).decode(text) == shown


@pytest.mark.parametrize("text", [b"2020-04-01 11:51:02", b"2020-04-01 11:51:02+02", b"", b"now"])
def test_a_timestamptz_of_another_zone_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        timestamptz(-1).decode(text)


def test_years() -> None:
    assert [iso_year(year) for year in (-4713, -1, 0, 43, 9999, 10000)] == (
        ["-4713", "-0001", "0000", "0043", "9999", "+10000"]
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"13:51:30.123789+02", "11:51:30.123789Z"),
        (b"13:51:30.12+02", "11:51:30.12Z"),
        (b"11:51:02+00", "11:51:02Z"),
        (b"01:00:00+02:30", "22:30:00Z"),
        (b"23:00:00-03:00:01", "02:00:01Z"),
        (b"24:00:00+00", "24:00:00Z"),
        (b"24:00:00-08", "08:00:00Z"),
        (b"00:00:00+15:59:59", "08:00:01Z"),
    ],
)
def test_timetz(text: bytes, shown: str) -> None:
    assert timetz().decode(text) == shown


@pytest.mark.parametrize(
    ("typmod", "name", "schema", "value"),
    [
        (-1, "adaptive", names.MICRO_TIME, 49890123400),
        (3, "adaptive", names.TIME, 49890123),
        (3, "adaptive_time_microseconds", names.MICRO_TIME, 49890123400),
        (-1, "nanoseconds", names.NANO_TIME, 49890123400000),
        (-1, "isostring", names.ISO_TIME, "13:51:30.1234Z"),
        (-1, "connect", "org.apache.kafka.connect.data.Time", 49890123),
    ],
)
def test_time(typmod: int, name: str, schema: str, value: object) -> None:
    type = time_type(typmod, mode(name))
    assert (type.schema.name, type.decode(b"13:51:30.1234")) == (schema, value)


def test_the_end_of_the_day_is_not_its_beginning() -> None:
    assert time_type(-1, ADAPTIVE).decode(b"24:00:00") == 86_400_000_000
    assert time_type(-1, mode("isostring")).decode(b"24:00:00") == "24:00:00Z"


@pytest.mark.parametrize(
    ("text", "micros", "iso"),
    [
        (b"1 year 2 mons 3 days 04:05:06.78", 37091106780000, "P1Y2M3DT4H5M6.78S"),
        (b"00:00:00", 0, "P0Y0M0DT0H0M0S"),
        (b"-00:00:00.5", -500000, "P0Y0M0DT0H0M-0.5S"),
        (b"1 mon", 2629800000000, "P0Y1M0DT0H0M0S"),
        (b"-1 years -2 mons +3 days -04:05:06", -36572706000000, "P-1Y-2M3DT-4H-5M-6S"),
        (b"1 day -00:00:01", 86399000000, "P0Y0M1DT0H0M-1S"),
        (b"2562047788:00:54.775807", 9223372036854775807, "P0Y0M0DT2562047788H0M54.775807S"),
        (b"00:00:00.000029", 29, "P0Y0M0DT0H0M0.000029S"),
    ],
)
def test_interval(text: bytes, micros: int, iso: str) -> None:
    assert interval(ADAPTIVE).decode(text) == micros
    assert interval(ValueModes(interval="string")).decode(text) == iso


def test_endless_intervals() -> None:
    for text in (b"infinity", b"-infinity"):
        assert interval(ValueModes(interval="string")).decode(text) == text.decode()
        with pytest.raises(Undecodable, match=r"interval\.handling\.mode"):
            interval(ADAPTIVE).decode(text)
    with pytest.raises(Undecodable, match=r"interval\.handling\.mode"):
        interval(ADAPTIVE).decode(b"178000000 years")


@pytest.mark.parametrize("text", [b"", b"P1Y", b"1 week", b"1 day 1 day"])
def test_no_interval(text: bytes) -> None:
    with pytest.raises(ValueError):
        parse_interval(text)
