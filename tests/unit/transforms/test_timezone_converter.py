"""TimezoneConverter beyond what tests/compat compares: times of day, far years, nothing changed in place."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from headwater.connectors.debezium.envelope import UPDATE, envelope, envelope_schema
from headwater.connectors.debezium.source_block import POSTGRES_SOURCE_SCHEMA
from headwater.transforms.timezone_converter import TimezoneConverter
from headwater.transforms.zones import Zone
from headwater.worker.api import ConfigError, DataError, Record, Type, primitive, struct

from .configured import configured, from_text

ROW = struct(
    {
        "ms": primitive(Type.INT64, True, name="io.debezium.time.Timestamp"),
        "ztime": primitive(Type.STRING, True, name="io.debezium.time.ZonedTime"),
        "zts": primitive(Type.STRING, True, name="io.debezium.time.ZonedTimestamp"),
    }
)
SCHEMA = envelope_schema("p.s.t", ROW, POSTGRES_SOURCE_SCHEMA)


def event(ms: int = 0, ztime: str | None = None, zts: str | None = None) -> Record:
    row = {"ms": ms, "ztime": ztime, "zts": zts}
    return Record("p.s.t", None, envelope(UPDATE, row, row, {"table": "t"}, 5), None, SCHEMA)


def test_the_event_it_got_stays_as_it_was() -> None:
    record = event(1_700_000_000_000)
    changed = configured(TimezoneConverter, converted_timezone="+01:00").apply(record)
    assert changed.value["after"]["ms"] == changed.value["before"]["ms"] == 1_699_996_400_000
    assert record.value["after"]["ms"] == 1_700_000_000_000


def test_times_of_day_take_the_offset_of_today() -> None:
    zone = ZoneInfo("Asia/Kathmandu")  # no summer time, so that no day differs from the next
    assert datetime.now(zone).strftime("%z") == "+0545"
    changed = configured(TimezoneConverter, converted_timezone="Asia/Kathmandu").apply(event(0, "23:30:00.50Z"))
    assert changed.value["after"]["ztime"] == "05:15:00.5+05:45"
    with pytest.raises(DataError, match=r"p\.s\.t: TimezoneConverter: .*ZonedTime"):
        configured(TimezoneConverter, converted_timezone="UTC").apply(event(0, "noon"))


def test_years_of_more_than_four_digits_stay() -> None:
    made = configured(TimezoneConverter, converted_timezone="+01:00")
    for text in ("+294247-01-10T04:00:54.775Z", "9999-12-31T23:59:59Z", "-4713-01-01T00:00:00Z"):
        assert made.apply(event(0, zts=text)).value["after"]["zts"] == text


def test_times_that_only_postgres_has_stay() -> None:
    made = configured(TimezoneConverter, converted_timezone="+01:00")
    for text in ("infinity", "-infinity", "0000-12-31T23:00:00Z", "2024-01-01T24:00:00Z"):
        assert made.apply(event(0, zts=text)).value["after"]["zts"] == text
    assert made.apply(event(0, ztime="24:00:00Z")).value["after"]["ztime"] == "24:00:00Z"
    with pytest.raises(DataError, match="ZonedTimestamp"):
        made.apply(event(0, zts="Infinity"))


@pytest.mark.parametrize("year", [2400, 9_999, 100_000])
def test_offsets_repeat_with_the_calendar(year: int) -> None:
    zone = Zone("Europe/Berlin")
    days = 365 * (year - 1970) + (year - 1) // 4 - (year - 1) // 100 + (year - 1) // 400 - 477
    assert (zone.at_local(days * 86_400), zone.at_local((days + 200) * 86_400)) == (3600, 7200)


@pytest.mark.parametrize(
    "options",
    [
        {"converted.timezone": "Mars/Olympus"},
        {"converted.timezone": "+19:00"},
        {"converted.timezone": "UTC", "include.list": "a:b", "exclude.list": "c:d"},
        {"converted.timezone": "UTC", "include.list": "table"},
        {"converted.timezone": "UTC", "exclude.list": "a:b:c:d"},
    ],
)
def test_wrong_options(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        from_text(TimezoneConverter, options)
