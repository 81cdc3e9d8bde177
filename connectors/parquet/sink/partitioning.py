"""In which folder of its table a row of a change log lies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from headwater.connectors.debezium import names, times
from headwater.connectors.debezium.envelope import MESSAGE, TRUNCATE
from headwater.connectors.formats.view_columns import DELETED, OP
from headwater.worker.api import DATE, TIMESTAMP, DataError, Schema, Values

from .options import partitioner
from .path_format import folder_of
from .rows import Row, folder_name

NULL: Final = "__HIVE_DEFAULT_PARTITION__"
"""What Hive, Spark and Trino write for null."""
_FORMATS: Final = {
    "daily": "'year'=YYYY/'month'=MM/'day'=dd",
    "hourly": "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH",
}
_DAY_MS: Final = 86_400_000


class Partitioning:
    """`folder` gives a path without slashes at its ends, "" where the view is not divided."""

    def __init__(self, values: Values) -> None:
        self._kind = partitioner(values)
        self._fields: list[str] = values["partition.field.name"]
        self._format: str = _FORMATS.get(self._kind, values["path.format"])
        self._zone = ZoneInfo(values["timezone"])
        self._time_field: str | None = (
            values["timestamp.field"] if values["timestamp.extractor"] == "RecordField" else None
        )
        self._minutes: dict[int, str] = {}

    def folder(self, row: Row) -> str:
        """Raises `DataError`."""
        if self._kind == "none":
            return ""
        if self._kind == "field":
            return "/".join(f"{folder_name(name)}={_shown(row, name)}" for name in self._fields)
        moment = self._moment(row)
        minute = moment // 60_000  # no format is finer
        found = self._minutes.get(minute)
        if found is None:
            try:
                found = folder_of(self._format, self._zone, moment)
            except OverflowError as error:
                raise DataError(f"{row.record.where()}: its time lies beyond the years 1 to 9999") from error
            if len(self._minutes) > 100_000:
                self._minutes.clear()
            self._minutes[minute] = found
        return found

    def _moment(self, row: Row) -> int:
        """Milliseconds since 1970."""
        if self._time_field is None:
            if row.record.timestamp_ms is None:
                raise DataError(f"{row.record.where()}: the record has no timestamp to divide the view by")
            return row.record.timestamp_ms
        value = row.values.get(self._time_field)
        schema = _schema_of(row, self._time_field)
        if value is None:
            if _without_row(row) and row.record.timestamp_ms is not None:
                return row.record.timestamp_ms
            raise DataError(f"{row.record.where()}: timestamp.field {self._time_field} has no value")
        try:
            return _millis(value, schema)
        except (ValueError, TypeError, OverflowError) as error:
            raise DataError(
                f"{row.record.where()}: timestamp.field {self._time_field} holds no time: {error}"
            ) from error


def _without_row(row: Row) -> bool:
    """Deletes often hold the key alone; truncates and messages hold no row."""
    return bool(row.values.get(DELETED)) or row.values.get(OP) in (TRUNCATE, MESSAGE)


def _schema_of(row: Row, name: str) -> Schema | None:
    schema = row.record.value_schema
    if schema is None:
        return None
    rows = schema.get("after") if name not in {f.name for f in schema.fields} else None
    return (rows or schema).get(name)


def _millis(value: Any, schema: Schema | None) -> int:
    kind = None if schema is None else schema.name
    if isinstance(value, str):
        return int(times.parse_timestamp(value)) // 1000
    if kind in (DATE, names.DATE):
        return int(value) * _DAY_MS
    if kind == names.MICRO_TIMESTAMP:
        return int(value) // 1000
    if kind == names.NANO_TIMESTAMP:
        return int(value) // 1_000_000
    if isinstance(value, datetime):
        return (value.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    if kind in (None, TIMESTAMP, names.TIMESTAMP) and isinstance(value, int):
        return value
    raise TypeError(f"a value of {kind or type(value).__name__}")


def _shown(row: Row, name: str) -> str:
    value = row.values.get(name)
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | list | dict):
        raise DataError(f"{row.record.where()}: partition.field.name {name} holds a {type(value).__name__}")
    return folder_name(str(value))
