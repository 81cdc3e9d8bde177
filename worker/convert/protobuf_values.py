"""Values to Protobuf messages and back: closures made once a schema.

Source: io.confluent.connect.protobuf.ProtobufData.{fromConnectData,toConnectData} (8.x). Null is an absent field; where
a message has no way to say that, writing null is an error instead of a zero.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from headwater.worker.api import DATE, DECIMAL, TIME, TIMESTAMP, DataError, Schema, Type, struct

from .by_type import has_default
from .connect_decimal import from_unscaled, scale_of, to_unscaled
from .protobuf_files import WRAPPERS, message_class
from .protobuf_form import ProtobufSettings, field_name, is_union
from .protobuf_read import LOGICAL, is_entry, real_oneof, real_oneofs, union_field

__all__ = ["message_reader", "message_writer"]

Step = Callable[[Any], Any]

_EPOCH: Final = datetime.date(1970, 1, 1)
_DAY_MS: Final = 86_400_000
_RANGES: Final = {Type.INT8: 7, Type.INT16: 15, Type.INT32: 31, Type.INT64: 63}
_PYTHON: Final[dict[Type, tuple[type, ...]]] = {
    Type.FLOAT32: (float, int),
    Type.FLOAT64: (float, int),
    Type.BOOLEAN: (bool,),
    Type.STRING: (str,),
    Type.BYTES: (bytes,),
}
_FITTING: Final = {
    **dict.fromkeys(_RANGES, (1, 2, 3, 4, 5, 6, 7, 13, 15, 16, 17, 18)),
    Type.FLOAT32: (1, 2),
    Type.FLOAT64: (1, 2),
    Type.BOOLEAN: (8,),
    Type.STRING: (9, 14, 12),
    Type.BYTES: (12,),
}
"""Numbers of FieldDescriptorProto.Type that hold a Connect type's values."""
_UNSIGNED64: Final = (4, 6)
_REQUIRED: Final = object()
"""In place of a default where there is none and null is not allowed."""


def message_writer(schema: Schema, message: Any, settings: ProtobufSettings, strict: bool) -> Step:
    """From a struct to a message; both by name. Raises `DataError`, and so does the function."""
    return _Writers(settings, strict).struct(schema, message, "")


class _Writers:
    def __init__(self, settings: ProtobufSettings, strict: bool) -> None:
        self._settings = settings
        self._strict = strict

    def struct(self, schema: Schema, message: Any, path: str) -> Step:
        make = message_class(message)
        parts: list[tuple[str, str, Step, Any]] = []
        unions: list[tuple[str, list[tuple[str, str, Step, Any]]]] = []
        for part in schema.fields:
            if is_union(part.schema):
                inner = [self._part(f.name, f.schema, message, path) for f in part.schema.fields]
                unions.append((part.name, [found for found in inner if found is not None]))
            elif (made := self._part(part.name, part.schema, message, path)) is not None:
                parts.append(made)
        known = frozenset(part.name for part in schema.fields)

        def write(value: Any) -> Any:
            if type(value) is not dict:
                raise _error(path, f"is a Python {type(value).__name__}, and its schema is a STRUCT")
            if len(value) > len(known) or not known.issuperset(value):
                unknown = next(name for name in value if name not in known)
                raise _error(path, f"holds {unknown!r}, which its schema does not know")
            given = {}
            for name, own, step, default in parts:
                item = value.get(name)
                if item is None:
                    item = default
                if item is not None and item is not _REQUIRED:
                    given[own] = step(item)
                elif item is _REQUIRED:
                    raise _error(f"{path}.{name}" if path else name, "is null, and its schema says that it is required")
            for name, members in unions:
                union = value.get(name) or {}
                for member, own, step, _ in members:
                    if union.get(member) is not None:
                        given[own] = step(union[member])
                        break
            try:
                return make(**given)
            except (TypeError, ValueError, UnicodeError) as error:
                raise _error(path, f"cannot be written as {message.full_name}: {error}") from error

        return write

    def _part(self, name: str, schema: Schema, message: Any, path: str) -> tuple[str, str, Step, Any] | None:
        own, place = field_name(name, self._settings), f"{path}.{name}" if path else name
        field = message.fields_by_name.get(own)
        if field is None:
            return None
        step = self._repeated(schema, field, place) if field.is_repeated else self._single(schema, field, place)
        default = schema.default if has_default(schema) else None
        if schema.optional and self._settings.ignore_default:
            default = None
        if default is None and not schema.optional:
            default = _REQUIRED
        return name, own, step, default

    def _repeated(self, schema: Schema, field: Any, path: str) -> Step:
        if schema.type is Type.MAP and is_entry(field):
            return self._map(schema, field, path)
        if schema.type is not Type.ARRAY or schema.value_schema is None:
            return self._refuse(path, f"is {schema.type.name}, and the message repeats it")
        item = self._single(schema.value_schema, field, f"{path}[]")

        def write(values: Any) -> list[Any]:
            if not isinstance(values, list | tuple):
                raise _error(path, f"is a Python {type(values).__name__}, and its schema is an ARRAY")
            if any(value is None for value in values):
                raise _error(path, "holds null, which lists in Protobuf cannot")
            return [item(value) for value in values]

        return write

    def _map(self, schema: Schema, field: Any, path: str) -> Step:
        keys, values = schema.key_schema, schema.value_schema
        if keys is None or values is None:
            return self._refuse(path, "its MAP schema says nothing about keys or values")
        inner = struct({"key": keys, "value": values})
        write_entry = self.struct(inner, field.message_type, f"{path}{{}}")
        native = bool(field.message_type.GetOptions().map_entry)

        def write(value: Any) -> Any:
            if not isinstance(value, dict):
                raise _error(path, f"is a Python {type(value).__name__}, and its schema is a MAP")
            entries = [write_entry({"key": key, "value": item}) for key, item in value.items()]
            return {entry.key: entry.value for entry in entries} if native else entries

        return write

    def _single(self, schema: Schema, field: Any, path: str) -> Step:
        inner = field.message_type
        if inner is not None:
            name = LOGICAL.get(inner.full_name)
            if inner.full_name in WRAPPERS and schema.type is not Type.STRUCT:
                wrap, step = message_class(inner), self._single(schema, inner.fields_by_name["value"], path)
                return lambda value: wrap(value=step(value))
            if name is not None and schema.name == name:
                return _logical(schema, message_class(inner), path)
            if schema.type is Type.STRUCT and name is None and not is_union(schema):
                return self.struct(schema, inner, path)
            return self._refuse(path, f"is {schema.name or schema.type.name}, and the message says {inner.full_name}")
        if field.type not in _FITTING.get(schema.type, ()) or schema.name == DECIMAL:
            return self._refuse(path, f"is {schema.name or schema.type.name}, which the message's field cannot hold")
        if field.type == 14:
            return _symbol({value.name for value in field.enum_type.values}, path)
        if schema.type in _RANGES:
            return _whole(schema.type, field.type in _UNSIGNED64, path)
        kinds = _PYTHON[schema.type]

        def write(value: Any) -> Any:
            if type(value) not in kinds:
                raise _error(path, f"is a Python {type(value).__name__}, and its schema is {schema.type.name}")
            return value

        return write

    def _refuse(self, path: str, message: str) -> Step:
        if self._strict:
            raise _error(path, message)

        def refuse(value: Any) -> Any:
            raise _error(path, message)

        return refuse


def _whole(kind: Type, unsigned: bool, path: str) -> Step:
    limit = 1 << _RANGES[kind]

    def write(value: Any) -> int:
        if type(value) is not int:
            raise _error(path, f"is a Python {type(value).__name__}, and its schema is {kind.name}")
        if not -limit <= value < limit:
            raise _error(path, f"{value} is out of range for {kind.name}")
        return value + 2**64 if unsigned and value < 0 else value

    return write


def _symbol(symbols: set[str], path: str) -> Step:
    def write(value: Any) -> Any:
        if value not in symbols:
            raise _error(path, f"{value!r} is none of the enum's symbols")
        return value

    return write


def _logical(schema: Schema, make: Any, path: str) -> Step:
    if schema.name == DECIMAL:
        try:
            scale = scale_of(schema)
        except ValueError as error:
            raise _error(path, str(error)) from error
        return lambda value: _decimal(value, scale, make, path)
    convert = {DATE: _date, TIME: _time, TIMESTAMP: _timestamp}[schema.name or ""]

    def write(value: Any) -> Any:
        if type(value) is not int:
            raise _error(path, f"is a Python {type(value).__name__}, and its schema is {schema.name}")
        try:
            return make(**convert(value))
        except (ValueError, OverflowError) as error:
            raise _error(
                path, f"{value} is beyond what Protobuf's {make.DESCRIPTOR.full_name} holds: {error}"
            ) from error

    return write


def _decimal(value: Any, scale: int, make: Any, path: str) -> Any:
    if not isinstance(value, Decimal):
        raise _error(path, f"is a Python {type(value).__name__}, and its schema is a Decimal")
    try:
        unscaled = to_unscaled(value, scale)
    except ValueError as error:
        raise _error(path, str(error)) from error
    digits = len(str(abs(int.from_bytes(unscaled, "big", signed=True))))
    return make(value=unscaled, precision=digits, scale=scale)


def _date(days: int) -> dict[str, int]:
    date = _EPOCH + datetime.timedelta(days=days)
    return {"year": date.year, "month": date.month, "day": date.day}


def _time(milliseconds: int) -> dict[str, int]:
    if not 0 <= milliseconds <= _DAY_MS:
        raise ValueError("a time of day has up to 86400000 milliseconds")
    seconds, rest = divmod(milliseconds, 1000)
    return {"hours": seconds // 3600, "minutes": seconds // 60 % 60, "seconds": seconds % 60, "nanos": rest * 1_000_000}


def _timestamp(milliseconds: int) -> dict[str, int]:
    seconds, rest = divmod(milliseconds, 1000)
    return {"seconds": seconds, "nanos": rest * 1_000_000}


def message_reader(message: Any, settings: ProtobufSettings) -> Step:
    """From a message to a struct of its schema. The function raises `DataError`."""
    parts: list[tuple[str, Step]] = [_union_reader(oneof, settings) for oneof in real_oneofs(message)]
    for field in message.fields:
        if real_oneof(field) is None:
            parts.append((field.name, _field_reader(field, settings)))
    return lambda found: {name: read(found) for name, read in parts}


def _union_reader(oneof: Any, settings: ProtobufSettings) -> tuple[str, Step]:
    members = {field.name: _value_reader(field, settings) for field in oneof.fields}
    empty = dict.fromkeys(members)

    def read(message: Any) -> Any:
        name = message.WhichOneof(oneof.name)
        return None if name is None else {**empty, name: members[name](getattr(message, name))}

    return union_field(oneof, settings), read


def _field_reader(field: Any, settings: ProtobufSettings) -> Step:
    name, convert = field.name, _value_reader(field, settings)
    if is_entry(field):
        return _map_reader(field, settings)
    if field.is_repeated:
        return lambda message: [convert(item) for item in getattr(message, name)]
    if field.has_presence:
        return lambda message: convert(getattr(message, name)) if message.HasField(name) else None
    return lambda message: convert(getattr(message, name))


def _map_reader(field: Any, settings: ProtobufSettings) -> Step:
    name = field.name
    key, value = field.message_type.fields
    if field.message_type.GetOptions().map_entry:
        to_key, to_value = _value_reader(key, settings), _value_reader(value, settings)
        # Looked up one by one, items of messages would be made anew.
        return lambda message: {to_key(k): to_value(v) for k, v in getattr(message, name).items()}
    read_key, read_value = _field_reader(key, settings), _field_reader(value, settings)

    def read(message: Any) -> dict[Any, Any]:
        try:
            return {read_key(entry): read_value(entry) for entry in getattr(message, name)}
        except TypeError as error:
            raise DataError(f"field {name}: its keys are messages, which Headwater does not support") from error

    return read


def _value_reader(field: Any, settings: ProtobufSettings) -> Step:
    """For one value that is there."""
    if field.message_type is not None and field.message_type.full_name in WRAPPERS:
        unwrap = _value_reader(field.message_type.fields_by_name["value"], settings)
        return lambda found: unwrap(found.value)
    if field.message_type is not None:
        logical = {DECIMAL: _read_decimal, DATE: _read_date, TIME: _read_time, TIMESTAMP: _read_timestamp}
        name = LOGICAL.get(field.message_type.full_name)
        return message_reader(field.message_type, settings) if name is None else logical[name]
    if field.type == 14:
        # Of several names for one number (allow_alias) the first.
        symbols = {value.number: value.name for value in reversed(field.enum_type.values)}
        return lambda number: symbols.get(number, f"UNKNOWN_ENUM_VALUE_{field.enum_type.name}_{number}")
    if field.type in _UNSIGNED64:
        return lambda number: number - 2**64 if number >= 2**63 else number
    return _same


def _same(value: Any) -> Any:
    return value


def _read_decimal(found: Any) -> Decimal:
    try:
        return from_unscaled(found.value or b"\0", found.scale)
    except ValueError as error:
        raise DataError(str(error)) from error


def _read_date(found: Any) -> int:
    try:
        return (datetime.date(found.year, found.month, found.day) - _EPOCH).days
    except ValueError as error:
        raise DataError(f"holds the date {found.year}-{found.month}-{found.day}: {error}") from error


def _read_time(found: Any) -> int:
    return int(((found.hours * 60 + found.minutes) * 60 + found.seconds) * 1000 + found.nanos // 1_000_000)


def _read_timestamp(found: Any) -> int:
    return int(found.seconds * 1000 + found.nanos // 1_000_000)


def _error(path: str, message: str) -> DataError:
    return DataError(f"field {path}: {message}" if path else f"the value {message}")
