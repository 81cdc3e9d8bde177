"""Protobuf messages to Connect schemas.

Source: io.confluent.connect.protobuf.ProtobufData.toConnectSchema (8.x), with `optional.for.nullables` as it is set.
"""

from __future__ import annotations

from typing import Any, Final

from headwater.worker.api import DATE, DECIMAL, TIME, TIMESTAMP, DataError, Field, Schema, Type

from . import protobuf_files as files
from .protobuf_form import ENUM, TAG, TYPE, UNION, ProtobufSettings

__all__ = ["LOGICAL", "connect_schema", "is_entry", "is_optional", "real_oneof", "real_oneofs", "union_field"]

LOGICAL: Final = {files.DECIMAL: DECIMAL, files.DATE: DATE, files.TIME: TIME, files.TIMESTAMP: TIMESTAMP}
_WHOLE32: Final = {5: None, 15: "sfixed32", 17: "sint32"}
_WHOLE64: Final = {3: None, 4: "uint64", 6: "fixed64", 7: "fixed32", 13: "uint32", 16: "sfixed64", 18: "sint64"}
_SIMPLE: Final = {1: Type.FLOAT64, 2: Type.FLOAT32, 8: Type.BOOLEAN, 9: Type.STRING, 12: Type.BYTES}
"""Numbers of FieldDescriptorProto.Type."""
_ENUM: Final = 14
_NARROW: Final = {"int8": Type.INT8, "int16": Type.INT16}


def connect_schema(file: files.File, message: Any, settings: ProtobufSettings, version: int | None) -> Schema:
    """Raises `DataError`."""
    schema = _Schemas(file, settings).message(message)
    return schema if version is None else schema.with_(version=version)


def is_entry(field: Any) -> bool:
    """Is this repeated field a map?"""
    if not field.is_repeated or field.message_type is None:
        return False
    inner = field.message_type
    return (
        inner.name.endswith("Entry")
        and [f.name for f in inner.fields] == ["key", "value"]
        and not any(f.is_repeated for f in inner.fields)
    )


def is_optional(field: Any) -> bool:
    """Does the schema itself tell a field that is absent from its zero value? Messages are told in any case."""
    return bool(field.has_presence) and field.message_type is None and real_oneof(field) is None


def real_oneof(field: Any) -> Any:
    """The oneof that its author wrote; `optional` makes one as well, for one field."""
    oneof = field.containing_oneof
    return None if oneof is None or _is_synthetic(oneof) else oneof


def real_oneofs(message: Any) -> list[Any]:
    return [oneof for oneof in message.oneofs if not _is_synthetic(oneof)]


def _is_synthetic(oneof: Any) -> bool:
    return len(oneof.fields) == 1 and oneof.name == f"_{oneof.fields[0].name}" and oneof.fields[0].has_presence


def union_field(oneof: Any, settings: ProtobufSettings) -> str:
    return f"{oneof.name}_{oneof.index}" if settings.index else str(oneof.name)


class _Schemas:
    def __init__(self, file: files.File, settings: ProtobufSettings) -> None:
        self._file = file
        self._settings = settings
        self._open: list[str] = []

    def message(self, message: Any) -> Schema:
        if message.full_name in self._open:
            raise DataError(f"the Protobuf message {message.full_name} holds itself, which Connect's schemas cannot")
        self._open.append(message.full_name)
        fields = [Field(union_field(oneof, self._settings), self._union(oneof)) for oneof in real_oneofs(message)]
        fields += [Field(f.name, self._field(f)) for f in message.fields if real_oneof(f) is None]
        self._open.pop()
        return Schema(Type.STRUCT, name=self._name(message), fields=tuple(fields))

    def _name(self, described: Any) -> str:
        return str(described.full_name if self._settings.enhanced else described.name)

    def _union(self, oneof: Any) -> Schema:
        name = oneof.full_name if self._settings.enhanced else oneof.name
        fields = tuple(Field(f.name, self._field(f, member=True)) for f in oneof.fields)
        return Schema(Type.STRUCT, optional=True, name=f"{UNION}{name}", fields=fields)

    def _field(self, field: Any, member: bool = False) -> Schema:
        schema = self._base(field)
        if field.is_repeated and schema.type is not Type.MAP:
            schema = Schema(Type.ARRAY, value_schema=schema.with_(optional=True))
        told = field.has_presence or field.is_repeated or not self._settings.optional or field.enum_type is not None
        told = told and not field.is_required  # of proto2
        parameters = {**schema.parameters, TAG: str(field.number)}
        return schema.with_(optional=member or told, parameters=parameters)

    def _base(self, field: Any) -> Schema:
        meta = self._file.meta(field)
        if field.message_type is not None:
            return self._composed(field, meta)
        if field.type == _ENUM:
            symbols = {f"{ENUM}.{value.name}": str(value.number) for value in field.enum_type.values}
            parameters = {ENUM: field.enum_type.name, **symbols}
            return Schema(Type.STRING, name=self._name(field.enum_type), parameters=parameters)
        return self._named(self._scalar(field, meta), meta)

    @staticmethod
    def _scalar(field: Any, meta: dict[str, str]) -> Schema:
        if field.type in _WHOLE32:
            kind, written = _NARROW.get(meta.get("connect.type", ""), Type.INT32), _WHOLE32[field.type]
        elif field.type in _WHOLE64:
            kind, written = Type.INT64, _WHOLE64[field.type]
        elif field.type in _SIMPLE:
            kind, written = _SIMPLE[field.type], None
        else:
            raise DataError(f"the Protobuf field {field.full_name} is a group, which is not supported")
        return Schema(kind, parameters={} if written is None else {TYPE: written})

    @staticmethod
    def _named(schema: Schema, meta: dict[str, str]) -> Schema:
        own = {k.removeprefix("connect.parameters."): v for k, v in meta.items() if k.startswith("connect.parameters.")}
        if own:
            schema = schema.with_(parameters={**schema.parameters, **own})
        if "connect.name" not in meta:
            return schema
        version = meta.get("connect.version", "")
        return schema.with_(name=meta["connect.name"], version=int(version) if version.isdigit() else None)

    def _composed(self, field: Any, meta: dict[str, str]) -> Schema:
        if field.message_type.full_name in files.WRAPPERS:
            return self._scalar(field.message_type.fields_by_name["value"], meta)
        name = LOGICAL.get(field.message_type.full_name)
        if name == DECIMAL:
            precision, scale = meta.get("precision"), meta.get("scale", "0")
            parameters = {"scale": scale} | ({} if precision is None else {"connect.decimal.precision": precision})
            return Schema(Type.BYTES, name=DECIMAL, version=1, parameters=parameters)
        if name is not None:
            return Schema(Type.INT64 if name == TIMESTAMP else Type.INT32, name=name, version=1)
        if is_entry(field):
            key, value = field.message_type.fields
            return Schema(Type.MAP, name=_map_name(self._name(field.message_type)), key_schema=self._field(key),
                          value_schema=self._field(value))  # fmt: skip
        return self.message(field.message_type)


def _map_name(name: str) -> str:
    """Of the entry FooBarEntry the map foo_bar."""
    *path, last = name.removesuffix("Entry").split(".")
    made = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in last).lstrip("_")
    return ".".join([*path, made])
