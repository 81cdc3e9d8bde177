"""The view's options: the names of Confluent's Elasticsearch sink where it has them.

Source: ElasticsearchSinkConnectorConfig of Confluent's kafka-connect-elasticsearch 15.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from headwater.connectors.debezium.placeholder import UNAVAILABLE_VALUE
from headwater.worker.api import Option, Options, OptionType, Unsupported, Values, at_least

from ..client import CONNECTION_OPTIONS
from .kinds import FLATTENED, KEYWORD, STORED, TEXT, TEXT_KEYWORD
from .names import unknown_placeholders

INSERT, UPSERT = "insert", "upsert"
IGNORE, DELETE, FAIL = "ignore", "delete", "fail"
NO_STREAM: Final = "none"


def is_stream(values: Values) -> bool:
    """Are documents appended to data streams?"""
    return str(values["data.stream.type"]).lower() != NO_STREAM


def every_record(values: Values) -> bool:
    """Does each record count, rather than the newest of each key?"""
    return bool(values["key.ignore"]) or is_stream(values) or values["write.method"] == UPSERT


def json_option(values: Values, name: str) -> dict[str, Any]:
    text = values[name].strip()
    return dict(json.loads(text)) if text else {}


def _name_format(value: Any) -> str | None:
    wrong = unknown_placeholders(value)
    return f"knows ${{topic}}, not {', '.join(wrong)}" if wrong else None


def _patterns(value: Any) -> str | None:
    for item in value:
        try:
            re.compile(item)
        except re.error as error:
            return f"{item!r} is not a regular expression: {error}"
    return None


def _object(value: Any) -> str | None:
    if not value.strip():
        return None
    try:
        found = json.loads(value)
    except ValueError as error:
        return f"is no JSON: {error}"
    return None if isinstance(found, dict) else "is no JSON object"


def _prefix(value: Any) -> str | None:
    return None if re.fullmatch(r"[a-z0-9.][a-z0-9_.-]{0,49}", value) else "must be lower-case letters, digits, _ . -"


_WRITING: Final = (
    Option("write.method", default=INSERT, choices=(INSERT, UPSERT), importance="high", group="writes",
           doc="insert: a record is the whole document. upsert: its fields are put into the document that is there, as "
           "partial updates; the log must then hold every record."),
    Option("key.ignore", OptionType.BOOLEAN, False, "A document for each record, named by topic, partition and offset, "
           "rather than for each key. Deletes are then ignored.", importance="high", group="writes"),
    Option("behavior.on.null.values", default=DELETE, choices=(IGNORE, DELETE, FAIL), importance="high", group="writes",
           doc="Deletes and tombstones: delete the document (Confluent's default is fail), ignore them, or fail."),
    Option("batch.size", OptionType.INT, 2000, "Documents in one bulk request, at most.", validate=at_least(1),
           group="writes"),
    Option("bulk.size.bytes", OptionType.LONG, 5 * 1024 * 1024, "Bytes of one bulk request, about.",
           validate=at_least(1024), group="writes"),
    Option("max.in.flight.requests", OptionType.INT, 5, "Bulk requests of a task at one time. While so many are out, "
           "nothing more is read from the log.", validate=at_least(1), group="writes"),
    Option("max.buffered.records", OptionType.INT, 20_000, "Records that a task holds for requests, at most.",
           validate=at_least(1), group="writes"),
    Option("max.retries", OptionType.INT, 5, "How often a request, or what is left of it, is sent again after 429, "
           "5xx or no answer, without a single document going through. Then the task begins anew, by itself, at the "
           "offsets that the view holds.", validate=at_least(0), group="writes"),
    Option("retry.backoff.ms", OptionType.LONG, 100, "Before the first try; doubled each time, up to 10 s.",
           validate=at_least(1), group="writes"),
    Option("unavailable.value.placeholder", default=UNAVAILABLE_VALUE, group="writes", importance="low",
           doc="What stands in an event for a large value that an update left unchanged: the document keeps its own."),
)  # fmt: skip

_INDICES: Final = (
    Option("index.name.format", default="${topic}", validate=_name_format, importance="high", group="indices",
           doc="The name that readers use: an alias, in lower case. Its index is NAME-gN, N the generation."),
    Option("index.settings", default="", validate=_object, group="indices",
           doc='Settings of new indices as JSON, e.g. {"number_of_shards": 3}. Templates of the cluster apply too.'),
    Option("index.mappings", default="", validate=_object, group="indices", doc='Fields that are to be other than '
           'made from the schema, as JSON, e.g. {"city": {"type": "text", "analyzer": "german"}}.'),
    Option("gc.deletes", default="6h", group="indices", importance="low", doc="index.gc_deletes: how long a deleted "
           "document's version is known. Longer than a task that was replaced may sleep and still write."),
    Option("schema.ignore", OptionType.BOOLEAN, False, "No fields are made from schemas: Elasticsearch guesses them.",
           group="indices"),
    Option("string.mapping", default=TEXT_KEYWORD, choices=(TEXT_KEYWORD, TEXT, KEYWORD), group="indices",
           doc="What texts become: text with a keyword below it (`name.keyword`), text, or keyword."),
    Option("keyword.fields", OptionType.LIST, [], "Regular expressions for `field` or `topic:field`: these are "
           "keyword, as fields of the key always are.", validate=_patterns, group="indices"),
    Option("text.fields", OptionType.LIST, [], "Regular expressions for `field` or `topic:field`: these are text.",
           validate=_patterns, group="indices"),
    Option("json.mapping", default=STORED, choices=(STORED, FLATTENED), group="indices",
           doc="What JSON columns become: stored with the document, or flattened, which is searchable and takes "
           "objects only."),
    Option("compact.map.entries", OptionType.BOOLEAN, True, "Maps are objects; false: lists of key and value.",
           group="indices"),
    Option("state.index.prefix", default="headwater", validate=_prefix, group="indices", importance="low",
           doc="Begins the names of the hidden indices that hold offsets, PREFIX-VIEW-gN."),
)  # fmt: skip

_STREAMS: Final = (
    Option("data.stream.type", default=NO_STREAM, group="data streams", doc="logs, metrics or any other word: records "
           "are appended to the data stream TYPE-DATASET-NAMESPACE. none: to indices. A data stream is at least once "
           "and cannot be rebuilt."),
    Option("data.stream.dataset", default="", group="data streams", doc="The second part of the name."),
    Option("data.stream.namespace", default="${topic}", validate=_name_format, group="data streams",
           doc="The third part of the name."),
    Option("data.stream.timestamp.field", OptionType.LIST, [], "Fields for `@timestamp`: the first one that the record "
           "has. By default the record's own time.", group="data streams"),
)  # fmt: skip

_FLUSHES: Final = "the worker flushes about every second; remove the option"
_TOLERANCE: Final = "set errors.tolerance and errors.deadletterqueue.topic.name"
_OWN: Final = "indices belong to generations, so that the view can be rebuilt; use index.name.format or a transform"
_ONE_KIND: Final = "a view is of one kind; use a connector for each kind"

_REFUSED: Final = (
    Unsupported("linger.ms", _FLUSHES, harmless=("1",)),
    Unsupported("flush.timeout.ms", _FLUSHES, harmless=("180000",)),
    Unsupported("flush.synchronously", _FLUSHES, harmless=("true", "false")),
    Unsupported("topic.key.ignore", _ONE_KIND, harmless=("",)),
    Unsupported("topic.schema.ignore", _ONE_KIND, harmless=("",)),
    Unsupported("drop.invalid.message", _TOLERANCE, harmless=("false",)),
    Unsupported("behavior.on.malformed.documents", _TOLERANCE, harmless=("fail",)),
    Unsupported("external.version.header", "versions come from the header headwater.version, else the offset",
                harmless=("", "headwater.version")),
    Unsupported("use.autogenerated.ids", "set key.ignore: true, whose ids a retry does not double",
                harmless=("false",)),
    Unsupported("external.resource.usage", _OWN, harmless=("disabled",)),
    Unsupported("topic.to.external.resource.mapping", _OWN, harmless=("",)),
    Unsupported("max.external.resource.mappings", _OWN, harmless=("15",)),
    Unsupported("topic.index.map", _OWN, harmless=("",)),
    Unsupported("auto.create.indices.at.start", "indices are made when their first record comes",
                harmless=("true", "false")),
    Unsupported("type.name", "Elasticsearch 8 has no types", harmless=("_doc", "")),
    Unsupported("log.sensitive.data", "documents are never logged", harmless=("false",)),
)  # fmt: skip

OPTIONS: Final = CONNECTION_OPTIONS + Options(*_WRITING, *_INDICES, *_STREAMS, *_REFUSED)
