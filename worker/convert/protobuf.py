"""Confluent's ProtobufConverter: Protobuf with its schemas in a registry.

Sources: io.confluent.connect.protobuf.{ProtobufConverter,ProtobufData,ProtobufDataConfig} and
io.confluent.kafka.schemaregistry.protobuf.MessageIndexes (8.x). Between the schema's id and the message stands which
of the schema's messages it is: indexes as zigzag varints, their number first, a lone zero for the first message.
"""

from __future__ import annotations

from typing import Final

from headwater.worker.api import DataError, Option, Options, OptionType, Schema, SchemaAndValue, Unsupported, Values

from .protobuf_files import compiled, message_class, require
from .protobuf_form import ProtobufSettings, protobuf_text
from .protobuf_read import connect_schema
from .protobuf_values import message_reader, message_writer
from .registered import RegistryConverter
from .registry import Text
from .registry_options import REGISTRY
from .schema_formats import Form, Read, Write

__all__ = ["ProtobufConverter"]

_START: Final = 5
_FIRST: Final = (0,)
_MOST_INDEXES: Final = 100
_JAVA: Final = "it is about Java classes"
_OWN: Final = Options(
    Option("optional.for.nullables", OptionType.BOOLEAN, True, "Write optional fields with the label optional, so that "
           "null is told from zero. Confluent's default is false: null numbers then become 0."),
    Option("enhanced.protobuf.schema.support", OptionType.BOOLEAN, False, "Name read schemas by messages' full names, "
           "with the package."),
    Option("scrub.invalid.names", OptionType.BOOLEAN, False, "Replace what Protobuf does not allow in names by `_`."),
    Option("generate.index.for.unions", OptionType.BOOLEAN, True, "Call the field of a oneof by its name and number.",
           importance="low"),
    Option("ignore.default.for.nullables", OptionType.BOOLEAN, False, "Write null where an optional field is null, "
           "not its default."),
    Unsupported("generalized.sum.type.support", "unions and enums look as Protobuf's", harmless=("false",)),
    Unsupported("int.for.enums", "enums are read as text", harmless=("false",)),
    Unsupported("optional.for.proto2", "fields of proto2 are told from their defaults", harmless=("true",)),
    Unsupported("wrapper.for.nullables", "use optional.for.nullables", harmless=("false",)),
    Unsupported("wrapper.for.raw.primitives", "messages are structs", harmless=("true", "false")),
    Unsupported("generate.struct.for.nulls", "an absent message is null", harmless=("false",)),
    Unsupported("flatten.unions", "a oneof is a struct", harmless=("false",)),
    Unsupported("skip.known.types", "files of Google and Confluent are not registered", harmless=("true", "false")),
    Unsupported(r"(specific\.protobuf\..+|derive\.type)", _JAVA, pattern=True, harmless=("false",)),
)  # fmt: skip


class ProtobufConverter(RegistryConverter):
    doc = "Protobuf, with its schemas in a schema registry."
    options = REGISTRY + _OWN

    def configure(self, values: Values, is_key: bool) -> None:
        """Raises `ConfigError`."""
        self.use(ProtobufFormat(values), values, is_key)


class ProtobufFormat:
    kind = "PROTOBUF"

    def __init__(self, values: Values) -> None:
        require()
        self._settings = ProtobufSettings(
            enhanced=values["enhanced.protobuf.schema.support"],
            scrub=values["scrub.invalid.names"],
            optional=values["optional.for.nullables"],
            index=values["generate.index.for.unions"],
            ignore_default=values["ignore.default.for.nullables"],
        )
        self._size: int = values["schemas.cache.config"]
        self._schemas: dict[Schema, Schema] = {}

    def form_of(self, schema: Schema | None) -> Form:
        if schema is None:
            raise DataError("a value without a schema cannot be written as Protobuf")
        text, name = protobuf_text(schema, self._settings)
        return Form(Text(self.kind, text), None, name)

    def parsed(self, text: Text) -> Form:
        return Form(text, None, compiled(text).message(_FIRST).full_name)

    def write_as(self, schema: Schema | None, form: Form, strict: bool) -> Write:
        if schema is None:
            raise DataError("a value without a schema cannot be written as Protobuf")
        make = message_writer(schema, compiled(form.text).message(_FIRST), self._settings, strict)
        return lambda value: b"\0" + bytes(make(value).SerializeToString(deterministic=True))

    def read_as(self, text: Text, version: int | None) -> Read:
        readers: dict[tuple[int, ...], Read] = {}

        def read(data: bytes) -> SchemaAndValue:
            path, start = _indexes(data)
            reader = readers.get(path)
            if reader is None:
                reader = readers[path] = self._reader(text, path, version)
            return reader(data[start:])

        return read

    def _reader(self, text: Text, path: tuple[int, ...], version: int | None) -> Read:
        from google.protobuf.message import DecodeError

        file = compiled(text)
        message = file.message(path)
        schema = connect_schema(file, message, self._settings, version)
        if len(self._schemas) >= self._size:
            self._schemas.clear()
        schema = self._schemas.setdefault(schema, schema)
        parse, convert = message_class(message).FromString, message_reader(message, self._settings)

        def decoded(body: bytes) -> SchemaAndValue:
            try:
                found = parse(body)
            except DecodeError as error:
                raise DataError(f"does not fit the Protobuf message {message.full_name}: {error}") from error
            return SchemaAndValue(schema, convert(found))

        return decoded


def _indexes(data: bytes) -> tuple[tuple[int, ...], int]:
    """Which message it is, and where it begins."""
    if data[_START : _START + 1] == b"\0":
        return _FIRST, _START + 1
    count, at = _varint(data, _START)
    if not 0 < count <= _MOST_INDEXES:
        raise DataError(
            "does not say which message of its Protobuf schema it is: was it written with another converter?"
        )
    path = []
    for _ in range(count):
        index, at = _varint(data, at)
        if index < 0:
            raise DataError("does not say which message of its Protobuf schema it is")
        path.append(index)
    return tuple(path), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(data) or shift > 28:
            raise DataError("ends before it says which message of its Protobuf schema it is")
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return (number >> 1) ^ -(number & 1), at
