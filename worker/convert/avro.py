"""Confluent's AvroConverter: Avro with its schemas in a registry.

Sources: io.confluent.connect.avro.{AvroConverter,AvroData,AvroDataConfig}, KafkaAvroSerializer (8.x).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

import orjson

from headwater.worker.api import (
    ConfigError,
    DataError,
    Option,
    Options,
    OptionType,
    Problem,
    Schema,
    SchemaAndValue,
    Unsupported,
    Values,
)

from .avro_decode import avro_decoder, changes, unwrapped
from .avro_encode import anything_bytes, avro_writer
from .avro_form import AvroSettings, avro_form, avro_text
from .avro_names import ANYTHING
from .avro_read import connect_schema, readable
from .avro_types import Names, kind_of
from .by_type import Node
from .registered import RegistryConverter
from .registry import Text
from .registry_options import REGISTRY
from .schema_formats import Form, Read, Write

__all__ = ["AvroConverter"]

_START: Final = 5
_JAVA: Final = "it is about Java classes"
_OWN: Final = Options(
    Option("connect.meta.data", OptionType.BOOLEAN, True, "Write into Avro's schemas, and read from them, what "
           "Connect's know beyond Avro: names of types, versions, parameters, int8 and int16.", importance="low"),
    Option("enhanced.avro.schema.support", OptionType.BOOLEAN, False, "Keep enums, and the whole names of records in "
           "unions."),
    Option("scrub.invalid.names", OptionType.BOOLEAN, False, "Replace what Avro does not allow in names by `_`."),
    Option("ignore.default.for.nullables", OptionType.BOOLEAN, False, "Write null where an optional field is null, "
           "not its default."),
    Option("allow.optional.map.keys", OptionType.BOOLEAN, False, "Write maps with optional text keys as Avro's maps.",
           importance="low"),
    Option("flatten.singleton.unions", OptionType.BOOLEAN, True, "Read unions of one type as that type.",
           importance="low"),
    Unsupported("generalized.sum.type.support", "unions and enums look as Avro's", harmless=("false",)),
    Unsupported("discard.type.doc.default", "docs and defaults are kept", harmless=("false",)),
    Unsupported("avro.use.logical.type.converters", _JAVA, harmless=("true", "false")),
    Unsupported("avro.reflection.allow.null", _JAVA, harmless=("false",)),
    Unsupported("avro.remove.java.properties", _JAVA, harmless=("false",)),
    Unsupported(r"specific\.avro\..+", _JAVA, pattern=True, harmless=("false",)),
)  # fmt: skip


class AvroConverter(RegistryConverter):
    doc = "Avro, with its schemas in a schema registry."
    options = REGISTRY + _OWN

    def configure(self, values: Values, is_key: bool) -> None:
        """Raises `ConfigError`."""
        self.use(AvroFormat(values), values, is_key)


class AvroFormat:
    kind = "AVRO"

    def __init__(self, values: Values) -> None:
        self._settings = AvroSettings(
            enhanced=values["enhanced.avro.schema.support"],
            scrub=values["scrub.invalid.names"],
            meta=values["connect.meta.data"],
            optional_keys=values["allow.optional.map.keys"],
            flatten=values["flatten.singleton.unions"],
            ignore_default=values["ignore.default.for.nullables"],
        )
        self._parse, self._read = _fastavro()
        self._size: int = values["schemas.cache.config"]
        self._schemas: dict[Schema, Schema] = {}

    def form_of(self, schema: Schema | None) -> Form:
        form = avro_form(schema, self._settings)
        return Form(Text("AVRO", avro_text(form)), form, Names(form).resolve(form, "")[2] or None)

    def parsed(self, text: Text) -> Form:
        form = _from_json(text)
        return Form(text, form, Names(*_used(text), form).resolve(form, "")[2] or None)

    def write_as(self, schema: Schema | None, form: Form, strict: bool) -> Write:
        if schema is None:
            if form.name != ANYTHING:
                raise DataError("values without a schema are written with Confluent's schema Anything alone")
            return anything_bytes
        names = Names(*_used(form.text), form.parsed)
        write = avro_writer(schema, form.parsed, self._settings, strict, names)
        if kind_of(names.resolve(form.parsed, "")[0]) != "bytes":
            return write
        # Confluent's serializer writes bytes as they are, without their length before them.
        return lambda value: _without_length(write(value))

    def read_as(self, text: Text, version: int | None) -> Read:
        form = _from_json(text)
        names = Names(*_used(text), form)
        schema = self._shared(connect_schema(form, names, self._settings, version))
        convert = self._converted(schema)
        if kind_of(names.resolve(form, "")[0]) == "bytes":
            return lambda data: SchemaAndValue(schema, convert(data[_START:]))
        try:
            plain = self._parse(readable(form, names, self._settings))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"the Avro schema {text.text[:200]} cannot be read: {error!r}") from error
        read = self._read

        def decoded(data: bytes) -> SchemaAndValue:
            stream = io.BytesIO(data)
            stream.seek(_START)
            try:
                value = read(stream, plain, None)
            except (EOFError, IndexError, KeyError, ValueError, TypeError, OverflowError, StopIteration) as error:
                raise DataError(f"does not fit the Avro schema that it names: {error!r}") from error
            if stream.tell() != len(data):
                raise DataError(f"is longer than the Avro schema that it names: {len(data) - stream.tell()} bytes more")
            return SchemaAndValue(schema, convert(value))

        return decoded

    def _shared(self, schema: Schema | None) -> Schema | None:
        """The same object for all schemas that look the same, whatever their ids."""
        if len(self._schemas) >= self._size:
            self._schemas.clear()
        return None if schema is None else self._schemas.setdefault(schema, schema)

    @staticmethod
    def _converted(schema: Schema | None) -> Callable[[Any], Any]:
        if schema is None:
            return unwrapped
        return Node(avro_decoder(), schema) if changes(schema) else _same


def _same(value: Any) -> Any:
    return value


def _without_length(data: bytes) -> bytes:
    start = 0
    while data[start] > 127:
        start += 1
    return data[start + 1 :]


def _from_json(text: Text) -> Any:
    """Raises `DataError`."""
    if text.text.strip() in ("null", "boolean", "int", "long", "float", "double", "bytes", "string"):
        return text.text.strip()
    try:
        return orjson.loads(text.text)
    except orjson.JSONDecodeError as error:
        raise DataError(f"an Avro schema in the registry is not JSON: {error}") from error


def _used(text: Text) -> list[Any]:
    """Forms of all schemas that this one refers to, theirs first."""
    return [form for _, used in text.references for form in (*_used(used), _from_json(used))]


def _fastavro() -> tuple[Any, Any]:
    """Raises `ConfigError` where it is not installed."""
    try:
        import fastavro
    except ImportError as error:
        problem = Problem("", "AvroConverter needs the package fastavro", "pip install 'headwater[avro]'")
        raise ConfigError([problem]) from error
    return fastavro.parse_schema, fastavro.schemaless_reader
