"""TimestampConverter: one form of a point in time into another: text, Unix time, Date, Time, Timestamp.

Source: org.apache.kafka.connect.transforms.TimestampConverter (Kafka 4.3.1). Without a schema nothing says that a
number is a Date: the targets Date, Time and Timestamp then give milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from headwater.worker.api import (
    DATE,
    NO_DEFAULT,
    TIME,
    TIMESTAMP,
    ConfigError,
    DataError,
    Field,
    Option,
    Options,
    Problem,
    Record,
    Schema,
    Type,
    Values,
    primitive,
    shortened,
)
from headwater.worker.api.java.dates import DAY_MS, DateFormat

from .kept import Kept
from .key_or_value import KeyOrValue, OfKey, OfValue, as_map, as_struct
from .null_defaults import REPLACE_NULL, defaults_of, filled
from .timestamp_router import date_format

Step = Callable[[Any], Any]
_SCHEMAS: Final = {
    "string": primitive(Type.STRING),
    "unix": primitive(Type.INT64),
    "Date": primitive(Type.INT32, name=DATE, version=1),
    "Time": primitive(Type.INT32, name=TIME, version=1),
    "Timestamp": primitive(Type.INT64, name=TIMESTAMP, version=1),
}
_PER_MS: Final = {"seconds": (1000, 1), "milliseconds": (1, 1), "microseconds": (1, 1000), "nanoseconds": (1, 1000**2)}
"""Unix time = milliseconds / first * second."""
_LONG: Final = 2**63


class _Shape(NamedTuple):
    schema: Schema
    convert: Step | None
    """None: the struct has no such field."""
    defaults: dict[str, Any]
    refusal: str | None = None
    """For rows, though not where the whole is null: the field is of another kind."""


class _TimestampConverter(KeyOrValue):
    options = Options(
        Option("field", default="", doc="The field; empty: the whole key or value.", importance="high"),
        Option("target.type", doc="What it becomes.", choices=tuple(_SCHEMAS), importance="high"),
        Option("format", default="", doc="How texts are written, in the syntax of Java's SimpleDateFormat, in UTC. "
               "Needed for the type string, and to read texts.",
               validate=lambda text: date_format(text) if text else None),
        Option("unix.precision", default="milliseconds", doc="The unit of Unix time, read and written.",
               choices=("nanoseconds", "microseconds", "milliseconds", "seconds"), importance="low"),
        REPLACE_NULL,
    )  # fmt: skip

    def configure(self, values: Values) -> None:
        self._field: str = values["field"]
        self._target: str = values["target.type"]
        self._format = DateFormat(values["format"]) if values["format"] else None
        if self._target == "string" and self._format is None:
            raise ConfigError([Problem("format", "required where target.type is string", "yyyy-MM-dd HH:mm:ss")])
        self._divisor, self._factor = _PER_MS[values["unix.precision"]]
        self._with_defaults: bool = values["replace.null.with.default"]
        self._write: Step = {
            "string": self._text,
            "unix": self._unix,
            "Date": lambda ms: ms // DAY_MS,
            "Time": lambda ms: ms % DAY_MS,
            "Timestamp": lambda ms: ms,
        }[self._target]
        self._shapes: Kept[Schema, _Shape] = Kept(self._shape)

    def _text(self, ms: int) -> str:
        assert self._format is not None
        return self._format.format(ms)

    def _unix(self, ms: int) -> int:
        return max(-_LONG, min(_LONG - 1, _divided(ms, self._divisor) * self._factor))

    def _from_unix(self, value: Any) -> int:
        return max(-_LONG, min(_LONG - 1, _divided(value, self._factor) * self._divisor))

    def _from_text(self, text: str) -> int:
        if self._format is None:
            raise DataError("a text can be read with the option format alone")
        try:
            ms = self._format.parse(text)
        except ValueError as error:
            raise DataError(f"format {self._format.pattern}: {error}") from error
        if ms is None:
            raise DataError(f"{shortened(text)!r} does not look like {self._format.pattern}")
        return ms

    def _reader(self, schema: Schema) -> Step:
        """To milliseconds."""
        if schema.name == DATE:
            return lambda days: days * DAY_MS
        if schema.name in (TIME, TIMESTAMP):
            return lambda ms: ms
        if schema.type is Type.STRING:
            return self._from_text
        if schema.type is Type.INT64:
            return self._from_unix
        raise _wrong_kind(schema.name or schema.type.name)

    def _step(self, schema: Schema) -> Step:
        read, write = self._reader(schema), self._write
        return lambda value: write(read(value))

    def _shape(self, schema: Schema) -> _Shape:
        target = _SCHEMAS[self._target]
        if not self._field:
            return _Shape(target.with_(optional=schema.optional), self._step(schema), {})
        if schema.type is not Type.STRUCT:
            raise DataError(f"needs a struct, and this is {schema.type.name}")
        old = schema.get(self._field)
        convert, refusal = None, None
        try:
            convert = None if old is None else self._step(old)
        except DataError as error:
            refusal = str(error)
        fields = tuple(
            Field(f.name, target.with_(optional=f.schema.optional)) if f.name == self._field else f
            for f in schema.fields
        )
        made = schema.with_(fields=fields, default=NO_DEFAULT)
        shape = _Shape(made, convert, defaults_of(schema, self._with_defaults), refusal)
        if not isinstance(schema.default, dict):
            return shape
        return shape._replace(schema=shape.schema.with_(default=self._row(schema.default, shape)))

    def _row(self, row: dict[str, Any], shape: _Shape) -> dict[str, Any]:
        if shape.refusal is not None:
            raise DataError(shape.refusal)
        row = filled(row, shape.defaults)
        old = row.get(self._field)
        return row if old is None or shape.convert is None else row | {self._field: shape.convert(old)}

    def change(self, value: Any, schema: Schema | None, record: Record) -> tuple[Any, Schema | None]:
        if schema is None:
            return self._change_without_schema(value), None
        if self._field and value is not None:
            as_struct(value, schema)
        shape = self._shapes(schema)
        if value is None:
            return None, shape.schema
        if self._field:
            return self._row(value, shape), shape.schema
        assert shape.convert is not None
        return shape.convert(value), shape.schema

    def _change_without_schema(self, value: Any) -> Any:
        if value is None:
            return None
        if not self._field:
            return self._guessed(value)
        row = as_map(value)
        return row | {self._field: self._guessed(row.get(self._field))}

    def _guessed(self, value: Any) -> Any:
        """A number is Unix time, a text has the format; but what is to become a Date would come out as milliseconds."""
        if value is None:
            return None
        if isinstance(value, str):
            ms = self._from_text(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            ms = self._from_unix(value)
        else:
            raise _wrong_kind(f"a value of type {type(value).__name__}")
        return ms // DAY_MS * DAY_MS if self._target == "Date" else self._write(ms)


def _wrong_kind(kind: str) -> DataError:
    return DataError(f"{kind} is no form of a point in time")


def _divided(number: int, divisor: int) -> int:
    """Java cuts off towards zero."""
    return number if divisor == 1 else number // divisor if number >= 0 else -(-number // divisor)


class TimestampConverterKey(OfKey, _TimestampConverter):
    doc = "Convert a point in time in the key."


class TimestampConverterValue(OfValue, _TimestampConverter):
    doc = "Convert a point in time in the value."
