"""Kafka Connect's JsonConverter: JSON with its schema before each payload, or plain.

Source: org.apache.kafka.connect.json.{JsonConverter,JsonConverterConfig} (Kafka 4.3.1). What it writes is the same
byte for byte (on a JDK of version 19 or newer, where Double.toString gives the shortest form).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from headwater.worker.api import (
    Converter,
    DataError,
    Encoder,
    Option,
    Options,
    OptionType,
    Schema,
    SchemaAndValue,
    Values,
    at_least,
)

from .by_type import Node
from .json_decode import NotExact, json_decoder, loads, loads_exact
from .json_encode import dumps, json_encoder, schemaless
from .known_prefixes import Known, KnownPrefixes
from .schema_json import schema_from_json, schema_to_json


def _valid_schema(text: str | None) -> str | None:
    if not text:
        return None
    try:
        schema_from_json(orjson.loads(text), json_decoder(True))
    except (orjson.JSONDecodeError, DataError) as error:
        return f"is not a schema in Kafka Connect's JSON form: {error}"
    return None


class JsonConverter(Converter):
    doc = "JSON as Kafka Connect writes it: {schema, payload}, or the payload alone."
    options = Options(
        Option("schemas.enable", OptionType.BOOLEAN, True, "Write and expect the schema before each payload."),
        Option(
            "schemas.cache.size",
            OptionType.INT,
            1000,
            "How many schemas the converter keeps.",
            validate=at_least(1),
            importance="low",
        ),
        Option(
            "decimal.format",
            OptionType.STRING,
            "BASE64",
            "How Decimals are written: the bytes of the unscaled number, or a JSON number.",
            choices=("BASE64", "NUMERIC"),
            importance="low",
        ),
        Option(
            "replace.null.with.default",
            OptionType.BOOLEAN,
            True,
            "Put the default where a field that has one is null.",
            importance="low",
        ),
        Option(
            "schema.content",
            OptionType.STRING,
            None,
            "Read messages without a schema as of this one (Kafka Connect's JSON form).",
            validate=_valid_schema,
            importance="low",
        ),
    )

    def configure(self, values: Values, is_key: bool) -> None:
        self._with_schemas: bool = values["schemas.enable"]
        self._size: int = values["schemas.cache.size"]
        self._encode = json_encoder(values["decimal.format"] == "NUMERIC", values["replace.null.with.default"])
        self._decode = json_decoder(values["replace.null.with.default"])
        self._encoders: dict[Schema | None, Encoder] = {}
        self._by_form: dict[bytes, Known] = {}
        self._prefixes = KnownPrefixes()
        content = values["schema.content"]
        self._fixed = self._known(orjson.loads(content)) if content and self._with_schemas else None

    def encoder(self, topic: str, schema: Schema | None) -> Encoder:
        """Null without a schema becomes a tombstone; with a schema it becomes a payload null, as in Java."""
        known = self._encoders.get(schema)
        if known is None:
            if len(self._encoders) >= self._size:
                self._encoders.clear()
            known = self._encoders[schema] = self._encoder(schema)
        return known

    def _encoder(self, schema: Schema | None) -> Encoder:
        prepare: Callable[[Any], Any] = schemaless if schema is None else Node(self._encode, schema)
        if not self._with_schemas:
            return lambda value: None if schema is None and value is None else dumps(prepare(value))
        form = b"null" if schema is None else dumps(schema_to_json(schema, self._encode))
        prefix = b'{"schema":' + form + b',"payload":'

        def encode(value: Any) -> bytes | None:
            if value is None and schema is None:
                return None
            return b"%b%b}" % (prefix, dumps(prepare(value)))

        return encode

    def decode(self, topic: str, data: bytes | None) -> SchemaAndValue:
        if data is None:
            return SchemaAndValue(None, None)
        if not self._with_schemas:
            return SchemaAndValue(None, loads(data) if data else None)
        if self._fixed is not None:
            return SchemaAndValue(self._fixed.schema, _value(self._fixed, loads(data), data))
        found = self._prefixes.find(topic, data)
        if found is None or not data.endswith(b"}"):
            return self._decode_in_full(topic, data)
        start, known = found
        text = data[start:-1]
        try:
            payload = orjson.loads(text)
        except orjson.JSONDecodeError:  # more than a payload follows, or it is broken: the full reading says what
            return self._decode_in_full(topic, data)
        return SchemaAndValue(known.schema, _value(known, payload, text))

    def _decode_in_full(self, topic: str, data: bytes) -> SchemaAndValue:
        message = loads(data)
        if not isinstance(message, dict) or message.keys() != {"schema", "payload"}:
            raise DataError(
                "is JSON, but not an object of exactly the two fields schema and payload; for plain JSON set "
                "schemas.enable to false for this converter"
            )
        try:
            return self._read(topic, data, message)
        except NotExact:
            return self._read(topic, data, loads_exact(data))

    def _read(self, topic: str, data: bytes, message: dict[str, Any]) -> SchemaAndValue:
        known = self._known(message["schema"])
        self._prefixes.remember(topic, data, known)
        return SchemaAndValue(known.schema, known.decode(message["payload"]))

    def _known(self, form: Any) -> Known:
        """The same schema object for all schemas that look the same, whatever the order of their keys."""
        look = orjson.dumps(form, default=str, option=orjson.OPT_SORT_KEYS)
        known = self._by_form.get(look)
        if known is None:
            if len(self._by_form) >= self._size:
                self._by_form.clear()
            schema = schema_from_json(form, self._decode)
            known = Known(schema, _same if schema is None else Node(self._decode, schema))
            self._by_form[look] = known
        return known


def _same(value: Any) -> Any:
    return value


def _value(known: Known, payload: Any, text: bytes) -> Any:
    try:
        return known.decode(payload)
    except NotExact:
        return known.decode(loads_exact(text))
