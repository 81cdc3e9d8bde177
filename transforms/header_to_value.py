"""HeaderToValue: fields of the value from headers.

Source: io.debezium.transforms.{HeaderToValue,ConnectRecordUtil} of Debezium 3.7.0.Final. Differences: values without
schemas are taken too; structs missing on the way to a nested field are all made (Debezium makes the first); a schema is
kept for the headers that it was made with, not for all.
"""

from __future__ import annotations

from typing import Any, Final

from headwater.worker.api import (
    NO_DEFAULT,
    ConfigError,
    DataError,
    Header,
    Option,
    Options,
    OptionType,
    Problem,
    Record,
    Schema,
    Transform,
    Type,
    Values,
    primitive,
    struct,
)

from .kept import Kept

_TEXT: Final = primitive(Type.STRING, True)
_BYTES: Final = primitive(Type.BYTES, True)

_Path = tuple[str, ...]
_Added = tuple[tuple[_Path, Schema], ...]


def _words(items: list[str]) -> str | None:
    if not items:
        return "must name at least one"
    wrong = [item for item in items if " " in item]
    return f"must hold no spaces within a name: {wrong[0]!r}" if wrong else None


class HeaderToValue(Transform):
    doc = "Move or copy headers into fields of the value."
    options = Options(
        Option("headers", OptionType.LIST, doc="Names of the headers.", validate=_words, importance="high"),
        Option(
            "fields",
            OptionType.LIST,
            doc="The fields that they become, in the same order; a.b is a field of the struct a.",
            validate=_words,
            importance="high",
        ),
        Option("operation", doc="move takes them out of the headers.", choices=("move", "copy"), importance="high"),
    )

    def configure(self, values: Values) -> None:
        headers, fields = values["headers"], values["fields"]
        if len(headers) != len(fields):
            message = f"names {len(fields)} fields for {len(headers)} headers"
            raise ConfigError([Problem("fields", message, "name one field for each header")])
        self._paths: dict[str, _Path] = {}
        for header, field in zip(headers, fields, strict=True):
            self._paths.setdefault(header, tuple(field.split(".")))
        self._move = values["operation"] == "move"
        self._schemas: Kept[tuple[Schema, _Added], Schema] = Kept(lambda asked: _schema(*asked))

    def apply(self, record: Record) -> Record:
        if record.value is None:
            return record
        if not isinstance(record.value, dict) or (record.value_schema and record.value_schema.type is not Type.STRUCT):
            raise DataError(f"{record.where()}: HeaderToValue needs a struct, and this is none")
        entries = [
            (path, *_typed(header)) for header in record.headers if (path := self._paths.get(header.name)) is not None
        ]
        if not entries:
            return record
        headers = record.headers
        if self._move:
            headers = tuple(header for header in headers if header.name not in self._paths)
        try:
            schema = None
            if record.value_schema is not None:
                schema = self._schemas((record.value_schema, tuple((path, s) for path, s, _ in entries)))
            value = _copied(record.value, record.value_schema, {path[:-1] for path, _, _ in entries})
            for path, added, item in entries:
                _put(value, schema, path, added, item)
        except DataError as error:
            raise DataError(f"{record.where()}: HeaderToValue: {error}") from error
        return record.replace(value=value, value_schema=schema, headers=headers)


def _typed(header: Header) -> tuple[Schema, Any]:
    """A header without a schema is bytes as they lie on the log: text where they are."""
    if header.schema is not None:
        return header.schema, header.value
    if not isinstance(header.value, bytes):
        return _TEXT, None if header.value is None else str(header.value)
    try:
        return _TEXT, header.value.decode()
    except UnicodeDecodeError:
        return _BYTES, header.value


def _schema(old: Schema, added: _Added) -> Schema:
    """`old` and the added fields, those at its own level before new structs; not optional, as Java's."""
    fields = {field.name: field.schema for field in old.fields}
    nested: dict[str, list[tuple[_Path, Schema]]] = {}
    for path, schema in added:
        if len(path) == 1:
            fields.setdefault(path[0], schema)
        else:
            nested.setdefault(path[0], []).append((path[1:], schema))
    for name, inner in nested.items():
        known = fields.get(name)
        if known is not None and known.type is not Type.STRUCT:
            raise DataError(f"the field {name} is no struct and can hold no field {'.'.join(inner[0][0])}")
        made = _schema(struct({}) if known is None else known, tuple(inner))
        fields[name] = made.as_optional() if known is None else made
    renewed = struct(fields)
    return old.with_(fields=renewed.fields, optional=False, default=NO_DEFAULT)


def _copied(value: dict[str, Any], schema: Schema | None, parents: set[_Path]) -> dict[str, Any]:
    """With copies of the structs on the way to `parents`, and defaults for null."""
    copy = dict(value)
    if schema is not None:
        for name, default in _DEFAULTS(schema).items():
            if copy.get(name) is None:
                copy[name] = default
    for name in {path[0] for path in parents if path}:
        inner = copy.get(name)
        if isinstance(inner, dict):
            below = {path[1:] for path in parents if path[:1] == (name,)}
            copy[name] = _copied(inner, None if schema is None else schema.get(name), below)
    return copy


def _defaults(schema: Schema) -> dict[str, Any]:
    return {f.name: f.schema.default for f in schema.fields if f.schema.default is not NO_DEFAULT}


_DEFAULTS: Final[Kept[Schema, dict[str, Any]]] = Kept(_defaults)


def _put(value: dict[str, Any], schema: Schema | None, path: _Path, added: Schema, item: Any) -> None:
    """A struct that is there and null stays null, as in Debezium: its other fields have no values."""
    for name in path[:-1]:
        inner = value.setdefault(name, {})
        if inner is None:
            return
        if not isinstance(inner, dict):
            raise DataError(f"the field {name} is no struct")
        value, schema = inner, None if schema is None else schema.get(name)
    own = None if schema is None else schema.get(path[-1])
    if own is not None and (own.type, own.name) != (added.type, added.name):
        raise DataError(f"the field {path[-1]} is {own.type.name}, and the header {added.type.name}")
    value[path[-1]] = item
