"""Columns whose fields say which Connect schema they were made of, as ParquetSink writes them: made back into it.

The field's metadata are `connect.name`, `connect.version`, `connect.doc` and `connect.parameters` (JSON). Times were
written in microseconds, whatever unit the schema has; see `connectors.parquet.columns.kinds` for the way there. Fields
inside structs, lists and maps come back without their names.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any, Final, NamedTuple

import pyarrow as pa

from headwater.connectors.debezium import names
from headwater.worker.api import DATE, DECIMAL, TIME, TIMESTAMP, Schema, Type, decimal

from .arrow_schema import Column, column

INFINITE_US: Final = 2**63 - 1
"""What stands for infinity in a column of timestamps; its negative too."""
_DAY_US: Final = 86_400_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_MILLIS: Final = {TIME, names.TIME, TIMESTAMP, names.TIMESTAMP}
_SAME: Final = {DATE, names.DATE, names.MICRO_TIME, names.NANO_TIME, names.MICRO_TIMESTAMP, names.NANO_TIMESTAMP}
_DURATIONS: Final = {names.MICRO_DURATION, names.NANO_DURATION}


class Restored(NamedTuple):
    """`convert`: from a value of the column as it is cast, to one of the schema; None where they are the same."""

    column: Column
    convert: Callable[[Any], Any] | None = None


def restored(field: Any) -> Restored:
    """Of a column of a file. Raises `Unreadable` for a type that no value here can have."""
    said = {name.decode(): text.decode() for name, text in (field.metadata or {}).items()}
    name, kind = said.get("connect.name"), field.type
    if pa.types.is_duration(kind) and name in _DURATIONS:
        return Restored(Column(_named(Type.INT64, field, said), pa.int64()))
    found = column(field)
    if name is None:
        return Restored(found)
    if name == DECIMAL:
        return _decimal(field, found, said)
    if name in _MILLIS and (pa.types.is_time64(kind) or pa.types.is_timestamp(kind)):
        type = Type.INT32 if name in (TIME, names.TIME) else Type.INT64
        return Restored(Column(_named(type, field, said), pa.int64()), _to_millis)
    if name == names.ZONED_TIMESTAMP and pa.types.is_timestamp(kind):
        return Restored(Column(_named(Type.STRING, field, said), pa.int64()), zoned_text)
    if name == names.VARIABLE_SCALE_DECIMAL and pa.types.is_string(kind):
        return Restored(Column(names.variable_scale_decimal(field.nullable), found.cast), _variable_scale)
    if name == names.BITS and pa.types.is_string(kind):
        return Restored(Column(_named(Type.BYTES, field, said), found.cast), _bits)
    if name in _SAME or found.schema.name is None:
        return Restored(Column(_said(found.schema, said), found.cast))
    return Restored(found)


def _named(type: Type, field: Any, said: dict[str, str]) -> Schema:
    return _said(Schema(type, field.nullable), said)


def _said(schema: Schema, said: dict[str, str]) -> Schema:
    version, parameters = said.get("connect.version"), said.get("connect.parameters")
    return schema.with_(
        name=said["connect.name"],
        version=None if version is None else int(version),
        doc=said.get("connect.doc"),
        parameters=json.loads(parameters) if parameters else {},
    )


def _decimal(field: Any, found: Column, said: dict[str, str]) -> Restored:
    if pa.types.is_decimal(field.type):
        return Restored(Column(_said(found.schema, said), found.cast))
    parameters = json.loads(said.get("connect.parameters", "{}"))
    schema = decimal(int(parameters.get("scale", "0"))).with_(optional=field.nullable)
    return Restored(Column(_said(schema, said), found.cast), Decimal)


def _to_millis(us: int) -> int:
    return us if abs(us) == INFINITE_US else us // 1000


def zoned_text(us: int) -> str:
    """Microseconds since 1970 as Debezium writes a moment: `2026-01-02T03:04:05.000000Z`."""
    if abs(us) == INFINITE_US:
        return "infinity" if us > 0 else "-infinity"
    try:
        return (_EPOCH + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27)
    except OverflowError:
        days, rest = divmod(us, _DAY_US)
        clock = (_EPOCH + timedelta(microseconds=rest)).strftime("%H:%M:%S.%f")
        return f"{_civil(days)}T{clock}Z"


def _civil(days: int) -> str:
    """A date outside the years 1 to 9999 (H. Hinnant's algorithm)."""
    era, of_era = divmod(days + 719_468, 146_097)
    of_years = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * of_years + of_years // 4 - of_years // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    year = of_years + era * 400 + (month <= 2)
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04d}-{month:02d}-{of_year - (153 * shifted + 2) // 5 + 1:02d}"


def _variable_scale(text: str) -> dict[str, Any]:
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"{text} has no digits")
    unscaled = int(number.scaleb(-exponent, _EXACT))
    size = (unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1
    return {"scale": -exponent, "value": unscaled.to_bytes(size, "big", signed=True)}


def _bits(text: str) -> bytes:
    """Little-endian."""
    return int(text or "0", 2).to_bytes((len(text) + 7) // 8, "little")
