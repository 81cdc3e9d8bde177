"""Casts and dates at their edges: many numbers as every type, many moments in many patterns, many texts read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from headwater.worker.api import TIMESTAMP, Record, Schema, Type, decimal, primitive
from headwater.worker.api.java.dates import DAY_MS, days_of
from headwater.worker.api.java.numbers import to_float32

from .java_stages import JavaStages
from .stages_compared import run_both

pytestmark = pytest.mark.compat
APACHE = "org.apache.kafka.connect.transforms."

WHOLE = [
    edge + near for bits in (7, 8, 15, 16, 24, 31, 32, 53, 62) for edge in (2**bits, -(2**bits)) for near in (-1, 0, 1)
]
FRACTIONS = [
    0.0, -0.0, 0.1, -0.5, 0.999, 1.5, -1.5, 127.9, 128.0, -129.5, 32768.5, 2.0**31, -(2.0**31) - 1, 2.0**32, 2.0**62,
    2.0**63, -(2.0**63), 2.0**64, 1e7, 9999999.0, 0.001, 0.00099, 1e-5, 1e21, 1.5e300, -1e300, 5e-324, 1e-45,
    123456789.123, 3.4028234e38, 3.5e38, float("inf"), float("-inf"), float("nan"),
]  # fmt: skip
TEXTS = [
    "0", "-0", "+7", "7 ", " 7", "127", "128", "-128", "-129", "32768", "2147483648", "9223372036854775807",
    "9223372036854775808", "007", "", " ", "1.5", "1e3", "1E-3", ".5", "5.", "1.5f", "1.5D", "NaN", "nan", "Infinity",
    "-Infinity", "inf", "0x10", "0x1p3", "-0x1.8p1", "1_000", "1,000", "true", "TRUE", " true", "yes", "1e400", "٣",
    "1e-400", "--1", "+", "-", "e5", "1e",
]  # fmt: skip
DECIMALS = ["0", "0.00", "-0.5", "127.99", "128", "-128.01", "1E+3", "1E-10", "99999999999999999999", "-2147483649.9"]
SOURCES: list[tuple[Schema, list[Any]]] = [
    (primitive(Type.INT64), WHOLE),
    (primitive(Type.INT32), [n for n in WHOLE if -(2**31) <= n < 2**31]),
    (primitive(Type.FLOAT64), FRACTIONS),
    (primitive(Type.FLOAT32), [to_float32(number) for number in FRACTIONS]),
    (primitive(Type.STRING), TEXTS),
    (primitive(Type.BOOLEAN), [True, False]),
    *((decimal(-int(Decimal(text).as_tuple().exponent)), [Decimal(text)]) for text in DECIMALS),
]
TYPES = ("int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string")

MOMENTS = [
    0, -1, 1, 999, 1_700_000_000_123, 86_399_999, -86_400_001, *(days_of(*day) * DAY_MS + 12_345_678 for day in (
        (1, 1, 1), (0, 12, 31), (-1, 2, 28), (-4712, 1, 1), (4, 2, 29), (100, 2, 29), (1500, 2, 29), (1582, 10, 4),
        (1582, 10, 15), (1600, 2, 29), (1899, 12, 31), (1900, 3, 1), (1999, 12, 31), (2000, 2, 29), (2024, 12, 29),
        (2024, 12, 31), (2025, 1, 1), (2026, 1, 3), (2026, 1, 4), (2026, 11, 22), (2027, 12, 31), (2100, 3, 1),
        (9999, 12, 31), (10000, 1, 1), (292_000, 6, 6))),
]  # fmt: skip
FIRST_WHOLE_YEAR = days_of(1583, 1, 1) * DAY_MS
"""Weeks are counted since then; the year before has ten days less."""
WRITTEN = [
    "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "y/M/d H:m:s.S", "yy yyy yyyyy yyyyyy", "MMM MMMM MMMMM L LL LLL LLLL", "G GGGG",
    "E EE EEE EEEE EEEEE u uu", "D DDD d ddd", "a h hh K KK k kk", "S SS SSS SSSSSS", "z zzzz Z X XX XXX",
    "YYYY ww w W F", "YY Y", "''yyyy'' 'it''s'", "yyyyMMddHHmmssSSS", "日yyyy年",
]  # fmt: skip
READ: dict[str, list[str]] = {
    "yyyy-MM-dd HH:mm:ss": [
        "2026-11-22 10:20:30", "2026-1-2 3:4:5", "2026-13-45 25:61:61", "26-11-22 10:20:30", "-5-11-22 10:20:30",
        "0000-00-00 00:00:00", "99999-11-22 10:20:30", "2026-11-22  10:20:30", " 2026-11-22 10:20:30", "2026-11-22",
        "2026-11-22T10:20:30", "2026-11-22 10:20:30.999 and more", "", "2026--11-22 10:20:30", "1582-10-10 00:00:00",
        "1500-02-29 00:00:00", "2026-11-22 -1:20:30", "2026-11-22 10:20:99999", "2026-11-22 10:20:9999999999",
    ],
    "yyyyMMddHHmmss": ["20261122102030", "2026112210203", "202611221020301", "2026112", "2026 1 2 3 4 5",
                       "2026-1-2-3-4-5"],
    "yyyyMMdd'T'HHmmssSSS": ["20261122T102030123", "20261122T1020301", "20261122T102030"],
    "yy-M-d": ["26-1-2", "99-1-2", "70-1-2", "2026-1-2", "6-1-2", "026-1-2", "-6-1-2"],
    "d MMM yyyy": ["22 Nov 2026", "22 november 2026", "22 NOVE 2026", "22 Mai 2026", "22 May 2026", "22 11 2026"],
    "EEE, d MMM yyyy HH:mm:ss Z": ["Sun, 22 Nov 2026 10:20:30 +0130", "Monday, 22 Nov 2026 10:20:30 -0800",
                                   "Sun, 22 Nov 2026 10:20:30 GMT", "Sun, 22 Nov 2026 10:20:30 GMT+5:30",
                                   "Sun, 22 Nov 2026 10:20:30 UTC", "Sun, 22 Nov 2026 10:20:30 +1",
                                   "Xxx, 22 Nov 2026 1:2:3 Z"],
    "yyyy-MM-dd'T'HH:mm:ssX": ["2026-11-22T10:20:30Z", "2026-11-22T10:20:30+02", "2026-11-22T10:20:30+0230",
                               "2026-11-22T10:20:30+2", "2026-11-22T10:20:30"],
    "yyyy-MM-dd'T'HH:mm:ss.SSSXXX": ["2026-11-22T10:20:30.123Z", "2026-11-22T10:20:30.123+02:30",
                                     "2026-11-22T10:20:30.123456789+02:30", "2026-11-22T10:20:30.1-0230"],
    "hh:mm a": ["10:20 PM", "10:20 am", "12:00 AM", "12:00 PM", "13:00 PM", "0:05 AM", "10:20"],
    "KK:mm a": ["11:59 PM", "00:00 AM", "12:00 AM"],
    "kk:mm": ["24:00", "1:00", "25:00"],
    "HH 'h' hh a": ["10 h 03 PM", "10 h 03 AM"],
    "yyyy D": ["2026 326", "2024 366", "2026 0", "2026 -1"],
    "D yyyy M d": ["5 2026 3 4"],
    "yyyy G": ["44 BC", "44 ad", "0 AD", "1 BC"],
    "S": ["5", "123456", "-7"],
    "''yyyy''": ["'2026'", "2026"],
    "yyyy-MM-dd u E": ["2026-11-22 3 Tue"],
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
def test_casts(java_stages: JavaStages, kind: str) -> None:
    records = [Record("t", value=value, value_schema=schema) for schema, values in SOURCES for value in values]
    both = run_both(java_stages, APACHE + "Cast$Value", {"spec": kind}, records)
    differing = [
        f"{record.value!r} of {record.value_schema}: ours {_value(ours)} theirs {_value(theirs)}"
        for record, ours, theirs in zip(records, both.ours, both.theirs, strict=True)
        if ours != theirs and not (kind == "string" and _same_number(record, _value(ours), _value(theirs)))
    ]
    assert not differing, "\n".join(differing)


def _same_number(record: Record, ours: Any, theirs: Any) -> bool:
    """Java before 19 does not always write the shortest text of a float or double."""
    number, other = float(ours["string"]), float(theirs["string"])
    assert record.value_schema is not None
    return number == other if record.value_schema.type is Type.FLOAT64 else to_float32(number) == to_float32(other)


@pytest.mark.parametrize("pattern", WRITTEN)
def test_dates_written(java_stages: JavaStages, pattern: str) -> None:
    moments = [at for at in MOMENTS if not set("Yw") & set(pattern) or at > FIRST_WHOLE_YEAR]
    records = [Record("t", value=at, value_schema=primitive(Type.INT64, name=TIMESTAMP, version=1)) for at in moments]
    config = {"target.type": "string", "format": pattern}
    both = run_both(java_stages, APACHE + "TimestampConverter$Value", config, records)
    pairs = zip(moments, map(_value, both.ours), map(_value, both.theirs), strict=True)
    differing = [f"{at}: ours {ours} theirs {theirs}" for at, ours, theirs in pairs if ours != theirs]
    assert not differing, "\n".join(differing)


@pytest.mark.parametrize("pattern", READ)
def test_dates_read(java_stages: JavaStages, pattern: str) -> None:
    texts = READ[pattern]
    records = [Record("t", value=text, value_schema=primitive(Type.STRING)) for text in texts]
    config = {"target.type": "unix", "format": pattern}
    both = run_both(java_stages, APACHE + "TimestampConverter$Value", config, records)
    pairs = zip(texts, map(_value, both.ours), map(_value, both.theirs), strict=True)
    differing = [f"{text!r}: ours {ours} theirs {theirs}" for text, ours, theirs in pairs if ours != theirs]
    assert not differing, "\n".join(differing)


def _value(outcome: Any) -> Any:
    return outcome["value"]["value"] if isinstance(outcome, dict) else outcome
