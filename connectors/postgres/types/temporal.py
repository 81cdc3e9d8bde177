"""`date`, `time` and `timestamp` without a zone, in the shapes that `time.precision.mode` asks for.

Source: io.debezium.jdbc.{TemporalPrecisionMode,JdbcValueConverters}, PostgresValueConverter of Debezium 3.7.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final

from headwater.connectors.debezium import names
from headwater.worker.api import DATE as CONNECT_DATE
from headwater.worker.api import TIME as CONNECT_TIME
from headwater.worker.api import TIMESTAMP as CONNECT_TIMESTAMP
from headwater.worker.api import Type, primitive

from .calendar_day import clock_micros, iso_clock, parse_moment
from .column_type import ColumnType, Undecodable
from .modes import ValueModes

DATE_INFINITY: Final = {b"infinity": 2146033979, b"-infinity": -2147472691}
"""What Debezium writes while streaming: days to 5877611-06-21 and -5877611-06-22. Its snapshots write other numbers."""
INFINITY_64_BITS: Final = {b"infinity": 2**63 - 1, b"-infinity": -(2**63)}
"""What Debezium writes for timestamps in microseconds and nanoseconds."""
INFINITY_MS: Final = {b"infinity": 9223372036825200000, b"-infinity": -9223372036832400000}
"""The same in milliseconds: PGStatement.DATE_POSITIVE_INFINITY and DATE_NEGATIVE_INFINITY of the JDBC driver."""

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1)
_INT64 = 2**63

Decode = Callable[[bytes], Any]


def date_type(modes: ValueModes) -> ColumnType:
    if modes.time_precision == "isostring":
        return ColumnType(names.semantic(names.ISO_DATE), _iso_date)
    if modes.time_precision == "connect":
        return ColumnType(primitive(Type.INT32, name=CONNECT_DATE, version=1), _days)
    return ColumnType(names.semantic(names.DATE), _days)


def time_type(typmod: int, modes: ValueModes) -> ColumnType:
    """`typmod` is the number of fractional digits, -1 for six."""
    mode = modes.time_precision
    if mode == "isostring":
        return ColumnType(names.semantic(names.ISO_TIME), lambda text: iso_clock(clock(text)) + "Z")
    if mode == "connect":
        return ColumnType(primitive(Type.INT32, name=CONNECT_TIME, version=1), lambda text: clock(text) // 1000)
    if mode == "nanoseconds":
        return ColumnType(names.semantic(names.NANO_TIME), lambda text: clock(text) * 1000)
    if mode == "adaptive" and 0 <= typmod <= 3:
        return ColumnType(names.semantic(names.TIME), lambda text: clock(text) // 1000)
    return ColumnType(names.semantic(names.MICRO_TIME), clock)


def timestamp_type(typmod: int, modes: ValueModes) -> ColumnType:
    """`typmod` is the number of fractional digits, -1 for six."""
    mode = modes.time_precision
    if mode == "isostring":
        return ColumnType(names.semantic(names.ISO_TIMESTAMP), _iso_timestamp)
    if mode == "connect":
        return ColumnType(primitive(Type.INT64, name=CONNECT_TIMESTAMP, version=1), _millis)
    if mode == "nanoseconds":
        return ColumnType(names.semantic(names.NANO_TIMESTAMP), _nanos)
    if mode in ("adaptive", "adaptive_time_microseconds") and 0 <= typmod <= 3:
        return ColumnType(names.semantic(names.TIMESTAMP), _millis)
    return ColumnType(names.semantic(names.MICRO_TIMESTAMP), _micros)


def clock(text: bytes) -> int:
    """Microseconds since midnight of `HH:MM:SS[.ffffff]`; 24:00:00 is a time of its own."""
    if text[2:3] != b":" or text[5:6] != b":" or text[8:9] not in (b".", b""):
        raise ValueError("not a time in ISO style")
    return clock_micros(int(text[:2]), int(text[3:5]), int(text[6:8]), text[9:])


def _days(text: bytes) -> int:
    try:
        return date.fromisoformat(text.decode()).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        infinity = DATE_INFINITY.get(text)
        return parse_moment(text).epoch_days if infinity is None else infinity


def _iso_date(text: bytes) -> str:
    return text.decode() if text in DATE_INFINITY else parse_moment(text).iso_date + "Z"


def micros(text: bytes) -> int:
    """Microseconds since 1970-01-01T00:00 of a finite timestamp; may be beyond 64 bits. Raises `ValueError`."""
    try:
        since = datetime.fromisoformat(text.decode()) - _EPOCH
    except (ValueError, TypeError):  # TypeError: it has a zone
        return parse_moment(text).epoch_micros
    return since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds


def _micros(text: bytes) -> int:
    if text in INFINITY_64_BITS:
        return INFINITY_64_BITS[text]
    value = micros(text)
    if value >= _INT64:
        raise Undecodable("lies beyond 294247-01-10T04:00:54, the end of microseconds in 64 bits; " + _WAY_OUT)
    return value


def _millis(text: bytes) -> int:
    return INFINITY_MS[text] if text in INFINITY_MS else micros(text) // 1000


def _nanos(text: bytes) -> int:
    if text in INFINITY_64_BITS:
        return INFINITY_64_BITS[text]
    value = micros(text) * 1000
    if not -_INT64 <= value < _INT64:
        raise Undecodable("lies outside the years 1677 to 2262, the range of nanoseconds in 64 bits; " + _WAY_OUT)
    return value


def _iso_timestamp(text: bytes) -> str:
    if text in INFINITY_64_BITS:
        return text.decode()
    moment = parse_moment(text)
    return f"{moment.iso_date}T{iso_clock(moment.micros)}Z"


_WAY_OUT = "set time.precision.mode to isostring, or correct the value"
