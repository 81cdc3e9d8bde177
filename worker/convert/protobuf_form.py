"""Connect schemas as Protobuf messages, in the text form that a registry keeps.

Source: io.confluent.connect.protobuf.ProtobufData.fromConnectSchema (8.x). Structs within structs are messages within
messages; maps are repeated entries. Beyond Java: the names of other types (Debezium's, say) and their versions and
parameters travel in `confluent.field_meta`, whose readers ignore what they do not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from headwater.worker.api import DATE, DECIMAL, TIME, TIMESTAMP, DataError, Schema, Type

from . import protobuf_files as files
from .avro_names import scrubbed

__all__ = ["ENUM", "NAMESPACE", "TAG", "TYPE", "UNION", "ProtobufSettings", "field_name", "is_union", "protobuf_text"]

NAMESPACE: Final = "io.confluent.connect.protobuf"
UNION: Final = f"{NAMESPACE}.Union."
ENUM: Final = f"{NAMESPACE}.Enum"
TAG: Final = f"{NAMESPACE}.Tag"
TYPE: Final = f"{NAMESPACE}.Type"
_UNNAMED: Final = "ConnectDefault"
_HEADWATER: Final = "headwater."
"""Begins the parameters that Headwater's own transforms read (EncryptFields' mark)."""
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*|_[A-Za-z0-9_]+")
_SCALARS: Final = {
    Type.INT8: "int32",
    Type.INT16: "int32",
    Type.INT32: "int32",
    Type.INT64: "int64",
    Type.FLOAT32: "float",
    Type.FLOAT64: "double",
    Type.BOOLEAN: "bool",
    Type.STRING: "string",
    Type.BYTES: "bytes",
}
_LOGICAL: Final = {
    DECIMAL: (files.DECIMAL, "confluent/type/decimal.proto"),
    DATE: (files.DATE, "google/type/date.proto"),
    TIME: (files.TIME, "google/type/timeofday.proto"),
    TIMESTAMP: (files.TIMESTAMP, "google/protobuf/timestamp.proto"),
}


@dataclass(frozen=True, slots=True)
class ProtobufSettings:
    """The converter's options that decide how schemas and values look."""

    enhanced: bool = False
    scrub: bool = False
    optional: bool = True
    index: bool = True
    ignore_default: bool = False


@dataclass(slots=True)
class _Message:
    name: str
    fields: list[str] = field(default_factory=list)
    oneofs: list[str] = field(default_factory=list)
    types: dict[str, list[str]] = field(default_factory=dict)
    """Messages within it, as lines."""
    enums: dict[str, list[str]] = field(default_factory=dict)
    made_of: dict[str, Schema] = field(default_factory=dict)
    tags: set[int] = field(default_factory=set)
    last: int = 0

    def tag(self, schema: Schema) -> int:
        wanted = schema.parameters.get(TAG)
        if wanted is not None and wanted.isdigit() and int(wanted) not in self.tags:
            number = int(wanted)
        else:
            number = self.last + 1
            while number in self.tags or 19_000 <= number < 20_000:
                number += 1
            self.last = number
        self.tags.add(number)
        return number

    def lines(self) -> list[str]:
        """As Java's ProtobufSchemaUtils writes them: Apicurio finds a schema again by such a text alone."""
        within = [line for lines in (*self.types.values(), *self.enums.values()) for line in lines]
        blocks = [block for block in (self.fields, self.oneofs, within) if block]
        if not blocks:
            return [f"message {self.name} {{}}"]
        inside = "\n\n".join("\n".join(f"  {line}" for line in block) for block in blocks)
        return [f"message {self.name} {{", *inside.split("\n"), "}"]


def is_union(schema: Schema) -> bool:
    return schema.type is Type.STRUCT and (schema.name or "").startswith(UNION)


def field_name(name: str, settings: ProtobufSettings) -> str:
    """Raises `DataError` for a name that Protobuf refuses."""
    if settings.scrub:
        name = scrubbed(name)
        name = f"x{name}" if name.startswith("_") else name
    if not _PLAIN.fullmatch(name):
        raise DataError(
            f"{name!r} is no name in Protobuf (letters, digits and _, no digit first); set scrub.invalid.names to true "
            "for this converter, or let the source adjust names (field.name.adjustment.mode, "
            "schema.name.adjustment.mode: avro)"
        )
    return name


def protobuf_text(schema: Schema, settings: ProtobufSettings) -> tuple[str, str]:
    """The file's text and the full name of its message. Raises `DataError`."""
    if schema.type is not Type.STRUCT or is_union(schema):
        raise DataError(f"Protobuf's messages are structs, and the schema is {schema.type.name}; use another converter")
    forms = _Forms(settings, schema)
    *package, name = (field_name(part, settings) for part in (schema.name or f"{_UNNAMED}1").split("."))
    message = forms.message(name, schema)
    lines = ['syntax = "proto3";']
    if package:
        lines.append(f"package {'.'.join(package)};")
    if forms.imports:
        lines += ["", *(f'import "{path}";' for path in sorted(forms.imports))]
    return "\n".join([*lines, "", *message.lines(), ""]), ".".join([*package, name])


class _Forms:
    def __init__(self, settings: ProtobufSettings, whole: Schema) -> None:
        self._settings = settings
        self._unnamed = 0 if whole.name else 1
        self._words = _words(whole)
        self.imports: set[str] = set()

    def message(self, name: str, schema: Schema) -> _Message:
        message = _Message(name)
        message.tags = {int(tag) for f in schema.fields if (tag := f.schema.parameters.get(TAG, "")).isdigit()}
        taken, message.tags = message.tags, set()
        names = set()
        for part in schema.fields:
            own = field_name(part.name, self._settings)
            if is_union(part.schema):
                self._oneof(message, part.schema, taken)
                continue
            if own in names:
                raise DataError(f"two fields of {schema.name or 'a struct'} are called {own!r} in Protobuf")
            names.add(own)
            if TAG not in part.schema.parameters:
                message.last = next(n for n in range(message.last + 1, 2**29) if n not in taken) - 1
            message.fields += self._field(message, own, part.schema)
        return message

    def _oneof(self, message: _Message, union: Schema, taken: set[int]) -> None:
        name = field_name((union.name or "")[len(UNION) :].rpartition(".")[2], self._settings)
        message.oneofs.append(f"oneof {name} {{")
        for part in union.fields:
            own = field_name(part.name, self._settings)
            message.oneofs += [f"  {line}" for line in self._field(message, own, part.schema.with_(optional=False))]
        message.oneofs.append("}")

    def _field(self, message: _Message, name: str, schema: Schema) -> list[str]:
        label, item = "", schema
        if schema.type is Type.ARRAY:
            item = _part(schema.value_schema)
            if item.type in (Type.ARRAY, Type.MAP):
                raise DataError(f"field {name}: Protobuf has no lists of lists or maps")
            label = "repeated "
        elif schema.type is Type.MAP:
            label = "repeated "
        elif schema.optional and self._settings.optional:
            label = "optional "
        kind = self._kind(message, name, item)
        return _with_meta(f"{label}{kind} {name} = {message.tag(schema)}", self._meta(item))

    def _kind(self, message: _Message, name: str, schema: Schema) -> str:
        if schema.name in _LOGICAL:
            kind, path = _LOGICAL[schema.name]
            self.imports.add(path)
            return f".{kind}" if kind.partition(".")[0] in self._words else kind
        if schema.type is Type.STRUCT:
            own = self._simple(schema.name)
            own += "Message" if own == name else ""
            if self._is_new(message, own, schema):
                message.types[own] = self.message(own, schema).lines()
            return own
        if schema.type is Type.MAP:
            own = _entry(self._simple(schema.name))
            if self._is_new(message, own, schema):
                entry = _Message(own)
                for part, inner in (("key", schema.key_schema), ("value", schema.value_schema)):
                    entry.fields += self._field(entry, part, _without_tag(_part(inner)))
                message.types[own] = entry.lines()
            return own
        if ENUM in schema.parameters and schema.type is Type.STRING:
            own = field_name(schema.parameters[ENUM], self._settings)
            if self._is_new(message, own, schema):
                symbols = {k[len(ENUM) + 1 :]: n for k, n in schema.parameters.items() if k.startswith(f"{ENUM}.")}
                message.enums[own] = _enumeration(own, symbols)
            return own
        return schema.parameters.get(TYPE, _SCALARS[schema.type])

    def _meta(self, schema: Schema) -> dict[str, str]:
        if schema.name == DECIMAL:
            precision, scale = schema.parameters.get("connect.decimal.precision"), schema.parameters.get("scale")
            return ({} if precision is None else {"precision": precision}) | ({} if scale is None else {"scale": scale})
        if schema.type not in _SCALARS or schema.name in _LOGICAL or ENUM in schema.parameters:
            return {}
        meta = {"connect.type": schema.type.value} if schema.type in (Type.INT8, Type.INT16) else {}
        if schema.name is not None:
            meta["connect.name"] = schema.name
            if schema.version is not None:
                meta["connect.version"] = str(schema.version)
        own = {key: text for key, text in schema.parameters.items() if not key.startswith(NAMESPACE)}
        if schema.name is None:  # only what Headwater needs: the rest is to look as Java's does
            own = {key: text for key, text in own.items() if key.startswith(_HEADWATER)}
        return meta | {f"connect.parameters.{key}": text for key, text in own.items()}

    def _simple(self, name: str | None) -> str:
        if not name:
            self._unnamed += 1
            return f"{_UNNAMED}{self._unnamed}"
        return field_name(name.rpartition(".")[2], self._settings)

    @staticmethod
    def _is_new(message: _Message, name: str, schema: Schema) -> bool:
        plain = _without_tag(schema).with_(optional=False)
        known = message.made_of.setdefault(name, plain)
        if known != plain:
            raise DataError(f"two different types within {message.name} are both called {name!r} in Protobuf")
        return name not in message.types and name not in message.enums


def _with_meta(field: str, meta: Mapping[str, str]) -> list[str]:
    """A field's lines with its `confluent.field_meta`. As in Java's text the file that this comes from is not imported,
    and the key stands first, but for Decimals."""
    if not meta:
        return [f"{field};"]
    lines = [f"{field} [(confluent.field_meta) = {{", "  params: ["]
    for number, (key, text) in enumerate(meta.items(), 1):
        pair = [f'key: "{_quoted(key)}"', f'value: "{_quoted(text)}"']
        first, second = pair if key not in ("precision", "scale") else reversed(pair)
        lines += ["    {", f"      {first},", f"      {second}", "    }" if number == len(meta) else "    },"]
    return [*lines, "  ]", "}];"]


def _words(schema: Schema) -> set[str]:
    """Of all names in it: where one is `google` or `confluent`, theirs are written with a dot before them."""
    inner = [part for part in (schema.key_schema, schema.value_schema) if part is not None]
    inner += [part.schema for part in schema.fields]
    return set((schema.name or "").split(".")).union(*map(_words, inner))


def _without_tag(schema: Schema) -> Schema:
    if TAG not in schema.parameters:
        return schema
    return schema.with_(parameters={key: text for key, text in schema.parameters.items() if key != TAG})


def _entry(name: str) -> str:
    """As protoc calls the entries of a map field."""
    return ("".join(part[:1].upper() + part[1:].lower() for part in name.split("_")) if "_" in name else name) + "Entry"


def _enumeration(name: str, symbols: Mapping[str, str]) -> list[str]:
    if "0" not in symbols.values():
        raise DataError(f"the enum {name} has no symbol with the number 0, which proto3 wants first")
    ordered = sorted(symbols.items(), key=lambda item: int(item[1]) != 0)
    return [f"enum {name} {{", *(f"  {symbol} = {number};" for symbol, number in ordered), "}"]


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _part(schema: Schema | None) -> Schema:
    if schema is None:
        raise DataError("an ARRAY or MAP schema says nothing about its items")
    return schema
