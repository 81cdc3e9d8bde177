"""Rows of objects -> records: keys, times and headers from the row, or from what lies beside the object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from headwater.connectors.debezium import names, times
from headwater.connectors.formats import START, BadRow, Content, Format, KeyFields, Row, Unreadable, origin_headers
from headwater.worker.api import TIMESTAMP, DataError, Header, Record, Schema, Type, Values, primitive

_PER_MS = {TIMESTAMP: 1, names.TIMESTAMP: 1, names.MICRO_TIMESTAMP: 1_000, names.NANO_TIMESTAMP: 1_000_000}
_OF_TIME = "io.debezium.time.", "org.apache.kafka.connect.data."
_NATURAL: list[tuple[type, Type]] = [(bool, Type.BOOLEAN), (int, Type.INT64), (float, Type.FLOAT64), (str, Type.STRING)]


class RecordMaker(Protocol):
    """Of one object."""

    def record(self, row: Row) -> Record | None:
        """None: the row stands for no record. Raises `DataError` with what is wrong with it."""
        ...


class PlainRows:
    """Rows as they are. `url`: of the object; `beside`: lines of other objects, by what they hold."""

    def __init__(self, values: Values, topic: str, url: str, beside: Mapping[str, BesideLines]) -> None:
        self._topic, self._url = topic, url
        self._keys = KeyFields(values["key.fields"])
        self._time: str = values["timestamp.field"]
        self._tells: bool = values["headers.enabled"]
        self._beside_keys, self._beside_headers = beside.get("keys"), beside.get("headers")

    def record(self, row: Row) -> Record:
        key, key_schema = self._keys.of(row.value, row.schema)
        if self._beside_keys is not None:
            key = self._beside_keys.value(row.line)
            key_schema = schema_of(key)
        headers: tuple[Header, ...] = ()
        if self._beside_headers is not None:
            headers = headers_of(self._beside_headers.value(row.line), "key")
        elif self._tells:
            headers = origin_headers(self._url, row.line)
        time_ms = None
        if self._time and isinstance(row.value, dict):
            schema = None if row.schema is None else row.schema.get(self._time)
            time_ms = milliseconds(row.value.get(self._time), schema, self._time)
        return Record(self._topic, key, row.value, key_schema, row.schema, headers, time_ms)


class BesideLines:
    """JSON lines of another object, one for each line of the object that is read."""

    def __init__(self, content: Content, format: Format, url: str) -> None:
        self._rows: Iterator[Row | BadRow] = format.rows(content, START)
        self._url, self._line = url, 0
        self._value: Any = None

    def value(self, line: int) -> Any:
        """Lines are asked for in ascending order. Raises `DataError`."""
        while self._line < line:
            try:
                row = next(self._rows, None)
            except Unreadable as error:
                raise DataError(f"has a line in {self._url}, which cannot be read: {error}") from error
            if row is None:
                raise DataError(f"has no line in {self._url}")
            self._line = row.line
            self._value = row.value if isinstance(row, Row) else row
        if self._line != line or isinstance(self._value, BadRow):
            raise DataError(f"has no line of JSON in {self._url}")
        return self._value


def schema_of(value: Any) -> Schema | None:
    """Of a JSON value that is no object and no list; those have none."""
    return next((primitive(type) for kind, type in _NATURAL if isinstance(value, kind)), None)


def headers_of(items: Any, name: str) -> tuple[Header, ...]:
    """From `[{"key": …, "value": …}]`; `name`: what a header's name is called there. Raises `DataError`."""
    if items is None:
        return ()
    try:
        return tuple(Header(item[name], item["value"], schema_of(item["value"])) for item in items)
    except (TypeError, KeyError) as error:
        raise DataError(f"has headers that are no list of {name} and value: {error!r}") from error


def milliseconds(value: Any, schema: Schema | None, name: str) -> int | None:
    """Since 1970, of a field that holds a time. Raises `DataError`."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            return int(times.parse_timestamp(value) // 1000)
        except (ValueError, OverflowError) as error:
            raise DataError(f"has no time in {name}: {error}") from error
    if type(value) is not int:
        raise DataError(f"has no time in {name}, but {type(value).__name__}")
    kind = "" if schema is None else schema.name or ""
    if kind.startswith(_OF_TIME) and kind not in _PER_MS:  # days, or a time of day
        raise DataError(f"has no time in {name}, but {kind}")
    return value // _PER_MS.get(kind, 1)
