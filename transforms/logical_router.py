"""ByLogicalTableRouter: several tables' change events into one topic, told apart by a field in the key.

Source: io.debezium.transforms.{ByLogicalTableRouter,ToLogicalTopicRouter} of Debezium 3.7.0.Final. Differences: keys
without schemas get the field too; a schema made for one topic is never used for another.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from headwater.connectors.debezium.envelope import SCHEMA_SUFFIX, is_envelope_schema
from headwater.worker.api import (
    ConfigError,
    DataError,
    Field,
    Option,
    Options,
    OptionType,
    Problem,
    Record,
    Schema,
    Transform,
    Type,
    Values,
    at_least,
    primitive,
)

from .java_regex import compile_java, compile_replacement, java_regex
from .kept import Kept
from .schema_names import adjusted

log = logging.getLogger(__name__)

_TEXT: Final = primitive(Type.STRING)
_LOW: Final = "low"
_CACHE: Final = "Has no effect: Headwater keeps schemas for as many topics as there are."


def _options(key_field: str) -> Options:
    return Options(
        Option("topic.regex", doc="What the whole topic has to match.", validate=java_regex, importance=_LOW),
        Option(
            "topic.replacement",
            doc="The new topic; $1 or ${name} stands for a group.",
            validate=lambda text: None if text else "must not be empty",
            importance=_LOW,
        ),
        Option("key.enforce.uniqueness", OptionType.BOOLEAN, True, "Add a field to the key.", importance=_LOW),
        Option("key.field.name", default=key_field, doc="That field's name.", importance=_LOW),
        Option(
            "key.field.regex",
            default=None,
            doc="What the whole old topic has to match to be shortened for that field.",
            validate=lambda text: None if text is None else java_regex(text),
            importance=_LOW,
        ),
        Option("key.field.replacement", default=None, doc="What the field holds then.", importance=_LOW),
        Option(
            "schema.name.adjustment.mode",
            default="none",
            doc="How names of schemas are made fit for Avro.",
            choices=("none", "avro", "avro_unicode"),
            importance=_LOW,
        ),
        Option("logical.destination.cache.size", OptionType.INT, 16, _CACHE, validate=at_least(1), importance=_LOW),
    )


class ToLogicalTopicRouter(Transform):
    doc = "Bring the change events of several tables into one topic."
    options = _options("__dbz__sourceIdentifier")

    def configure(self, values: Values) -> None:
        self._pattern = compile_java(values["topic.regex"])
        self._replacement = _replacement(self._pattern, "topic.replacement", values["topic.replacement"])
        self._field: str | None = values["key.field.name"] if values["key.enforce.uniqueness"] else None
        self._key_pattern = None
        if values["key.field.regex"]:
            text = values["key.field.replacement"]
            if not text:
                raise ConfigError([Problem("key.field.replacement", "must not be empty beside key.field.regex")])
            self._key_pattern = compile_java(values["key.field.regex"])
            self._key_replacement = _replacement(self._key_pattern, "key.field.replacement", text)
        self._mode: str = values["schema.name.adjustment.mode"]
        self._topics: Kept[str, str | None] = Kept(self._topic)
        self._names: Kept[str, str] = Kept(self._name)
        self._keys: Kept[tuple[Schema, str], Schema] = Kept(self._key_schema)
        self._envelopes: Kept[tuple[Schema, str], Schema] = Kept(self._envelope)

    def apply(self, record: Record) -> Record:
        topic = self._topics(record.topic)
        if topic is None:
            return record
        made = record.replace(topic=topic)
        if record.key is None:
            made.key_schema = None
        else:
            made.key, made.key_schema = self._key(record, topic)
        if record.value is not None and is_envelope_schema(record.value_schema):
            assert record.value_schema is not None
            made.value_schema = self._envelopes((record.value_schema, topic))
        return made

    def _topic(self, topic: str) -> str | None:
        if not self._pattern.fullmatch(topic):
            return None
        made = self._pattern.sub(self._replacement, topic, count=1)
        if not made:
            log.warning("the topic %s keeps its name: topic.replacement makes an empty one of it", topic)
        return made or None

    def _name(self, topic: str) -> str:
        if self._key_pattern is None or not self._key_pattern.fullmatch(topic):
            return topic
        return self._key_pattern.sub(self._key_replacement, topic, count=1)

    def _key(self, record: Record, topic: str) -> tuple[Any, Schema | None]:
        schema = record.key_schema
        if not isinstance(record.key, dict) or (schema is not None and schema.type is not Type.STRUCT):
            raise DataError(f"{record.where()}: a key that is no struct cannot hold the field {self._field}")
        key = record.key if self._field is None else record.key | {self._field: self._names(record.topic)}
        return key, None if schema is None else self._keys((schema, topic))

    def _key_schema(self, asked: tuple[Schema, str]) -> Schema:
        schema, topic = asked
        added = () if self._field is None else (Field(self._field, _TEXT),)
        if self._field is not None and schema.get(self._field) is not None:
            raise DataError(f"keys of {topic} have a field {self._field} already; set key.field.name")
        return schema.with_(name=adjusted(f"{topic}.Key", self._mode), fields=(*schema.fields, *added))

    def _envelope(self, asked: tuple[Schema, str]) -> Schema:
        schema, topic = asked
        old = schema.get("before") or schema.get("after")
        row = None if old is None else old.with_(name=adjusted(f"{topic}.Value", self._mode))
        fields = tuple(
            Field(f.name, row) if row is not None and f.name in ("before", "after") else f for f in schema.fields
        )
        return schema.with_(name=adjusted(topic + SCHEMA_SUFFIX, self._mode), fields=fields)


class ByLogicalTableRouter(ToLogicalTopicRouter):
    options = _options("__dbz__physicalTableIdentifier") + Options(
        Option("logical.table.cache.size", OptionType.INT, 16, _CACHE, validate=at_least(1), importance=_LOW)
    )


def _replacement(pattern: Any, option: str, text: str) -> Any:
    try:
        return compile_replacement(pattern, text)
    except ValueError as error:
        raise ConfigError([Problem(option, str(error), value=text)]) from error
