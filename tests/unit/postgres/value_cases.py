"""Columns of every supported type: how to make a value in the database, and what the event must hold for it."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

Same = Callable[[Any, Any], bool]


def equal(event: Any, expected: Any) -> bool:
    return bool(event == expected) and type(event) is type(expected)


@dataclass(frozen=True)
class Case:
    """`sql`: makes the value of one parameter. `expected`: of the parameter, what the event holds."""

    type: str
    values: st.SearchStrategy[Any]
    sql: str = "%s"
    expected: Callable[[Any], Any] = lambda value: value
    same: Same = equal


DAY_US = 86_400_000_000
text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
nasty = st.text('a"\\{},; N\t\n\rAé', max_size=8) | st.sampled_from(["NULL", "null", "", "\\N", "\\.", "{}"])
words = text | nasty
decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30)
floats = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308])
micros = st.integers(-210866803200000000, 2**63 - 1) | st.integers(-62135596800000000, 253402300799999999)


def moment_sql(kind: str, zone: str = "") -> str:
    """A timestamp from [days, microseconds of the day]: intervals multiply by float8, which would round."""
    epoch = f"{kind} '1970-01-01 00:00:00{zone}'"
    return f"({epoch} + make_interval(days => (%s::bigint[])[1]::int)) + make_interval(secs => (%s::bigint[])[2] / 1e6)"


def days_and_micros(value: int) -> list[int]:
    return list(divmod(value, DAY_US))


def zoned_text(value: int) -> str:
    """ISO 8601 by way of a year that Python knows: 400 years have always as many days."""
    cycles, days = divmod(value // DAY_US + 719162, 146097)
    moment = datetime(1, 1, 1) + timedelta(days=days, microseconds=value % DAY_US)
    year = moment.year + 400 * cycles
    shown = f"{year:04d}" if 0 <= year <= 9999 else f"+{year}" if year > 0 else f"-{-year:04d}"
    return f"{shown}-{moment:%m-%dT%H:%M:%S}.{moment.microsecond:06d}Z"


def clock(value: int) -> str:
    seconds, fraction = divmod(value, 1_000_000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{fraction:06d}"


def micros_of(value: str) -> int:
    return (int(value[:2]) * 3600 + int(value[3:5]) * 60 + int(value[6:8])) * 1_000_000 + int(value[9:])


def utc(value: str) -> str:
    shown = clock((micros_of(value.removesuffix("-03:30")) + 12_600_000_000) % DAY_US)
    return shown.rstrip("0").rstrip(".") + "Z"


def from_struct(value: dict[str, Any]) -> Decimal:
    unscaled = int.from_bytes(value["value"], "big", signed=True)
    return Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -value["scale"]))


def same_float(event: Any, expected: float) -> bool:
    return repr(event) == repr(expected)


def same_single(event: Any, expected: float) -> bool:
    return repr(struct.unpack("f", struct.pack("f", event))) == repr((expected,))


def bits_of(value: str) -> bytes:
    number = int(value or "0", 2)
    return number.to_bytes((number.bit_length() + 7) // 8, "little")


def point(value: list[float]) -> dict[str, Any]:
    return {"x": value[0], "y": value[1], "wkb": struct.pack("<BIdd", 1, 1, *value), "srid": None}


def duration(value: tuple[int, int, int]) -> int:
    months, days, us = value
    return months * 2_629_800_000_000 + days * DAY_US + us


rectangles = st.integers(1, 3).flatmap(
    lambda width: st.lists(
        st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), min_size=width, max_size=width), max_size=3
    )
)

CASES = [
    Case("boolean", st.booleans()),
    Case("smallint", st.integers(-(2**15), 2**15 - 1)),
    Case("integer", st.integers(-(2**31), 2**31 - 1)),
    Case("bigint", st.integers(-(2**63), 2**63 - 1)),
    Case("oid", st.integers(0, 2**32 - 1)),
    Case("real", st.floats(width=32), same=same_single),
    Case("double precision", floats, same=same_float),
    Case("numeric", decimals, same=lambda event, expected: from_struct(event) == expected),
    Case("numeric(30,4)", st.integers(-(10**29), 10**29).map(lambda number: Decimal(number).scaleb(-4))),
    Case("money", st.integers(-(2**62), 2**62).map(lambda cents: Decimal(cents).scaleb(-2)), "%s::numeric::money"),
    Case("text", words),
    Case("varchar(40)", words),
    Case("char(9)", nasty, expected=lambda value: value.ljust(9)),
    Case("name", nasty),
    Case("citext", words),
    Case("mood", st.sampled_from(["sad", "so, so", 'q"uote\\'])),
    Case("bytea", st.binary(max_size=20)),
    Case("uuid", st.uuids().map(str)),
    Case("json", st.lists(words | st.integers()).map(json.dumps)),
    Case("jsonb", st.lists(st.integers(-9, 9)).map(json.dumps)),
    Case("bit(1)", st.sampled_from("01"), expected="1".__eq__),
    Case("bit(11)", st.text("01", min_size=11, max_size=11), expected=bits_of),
    Case("bit varying", st.text("01", max_size=40), expected=bits_of),
    Case("date", st.integers(-2440550, 2145042905 - 1), "date '1970-01-01' + %s::int"),
    Case("time", st.integers(0, DAY_US).map(clock), expected=micros_of),
    Case("timetz", st.integers(0, DAY_US - 1).map(lambda us: clock(us) + "-03:30"), expected=utc),
    Case("timestamp", micros, moment_sql("timestamp")),
    Case("timestamptz", micros, moment_sql("timestamptz", "+00"), zoned_text),
    Case(
        "interval",
        st.tuples(st.integers(-9999, 9999), st.integers(-9999, 9999), st.integers(-(2**55), 2**55)),
        "%s",
        duration,
    ),
    Case("inet", st.ip_addresses(v=4).map(str)),
    Case("cidr", st.ip_addresses(v=4).map(lambda address: f"{address}/32")),
    Case("macaddr", st.just("08:00:2b:01:02:03")),
    Case("int4range", st.integers(-100, 100).map(lambda low: f"[{low},{low + 5})")),
    Case("tsrange", st.just('["2020-01-01 00:00:00",infinity)')),
    Case("int4multirange", st.just("{[1,3),[5,9)}")),
    Case("point", st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2), "point(%s, %s)", point),
    Case("positive", st.integers(1, 10**6).map(lambda n: Decimal(n).scaleb(-2))),
    Case("hstore", st.dictionaries(words, st.none() | words, max_size=3), "hstore(%s::text[], %s::text[])", json.dumps,
         lambda event, expected: json.loads(event) == json.loads(expected)),
    Case("integer[]", st.lists(st.none() | st.integers(-5, 5))),
    Case("integer[][]", rectangles),
    Case("text[]", st.lists(st.none() | words, max_size=4)),
    Case("bytea[]", st.lists(st.none() | st.binary(max_size=4), max_size=4)),
    Case("numeric(9,2)[]", st.lists(st.none() | st.integers(-99, 99).map(lambda n: Decimal(n).scaleb(-2)), max_size=4)),
    Case("mood[]", st.lists(st.none() | st.sampled_from(["sad", "so, so", 'q"uote\\']), max_size=4)),
    Case("boolean[]", st.lists(st.none() | st.booleans(), max_size=4)),
    Case("timestamptz[]", st.just(["2020-01-01 00:00:00+00", None, "infinity"]),
         expected=lambda value: ["2020-01-01T00:00:00.000000Z", None, "infinity"]),
]  # fmt: skip


def parameters(case: Case, value: Any) -> list[Any]:
    """What to bind to the `%s` of `case.sql`."""
    if case.type.startswith("timestamp") and isinstance(value, int):
        return [days_and_micros(value)] * 2
    if case.type == "interval":
        return [f"{value[0]} months {value[1]} days {value[2]} microseconds"]
    if case.type == "point":
        return list(value)
    if case.type == "hstore":
        return [list(value), list(value.values())]
    return [value]
