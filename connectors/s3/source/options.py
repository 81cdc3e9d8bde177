"""The options of the S3 source: the names of Confluent's S3 source and sink where they have them.

Source: configuration reference of Confluent's kafka-connect-s3-source 2 and kafka-connect-storage-cloud 10.5.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Final
from urllib.parse import urlsplit

from headwater.connectors.formats import FORMAT_OPTIONS
from headwater.connectors.object_store import ACCESS_OPTIONS, REFUSED_ACCESS, access_problems, url_problem
from headwater.worker.api import Option, Options, OptionType, Problem, Unsupported, Values, at_least

GENERIC: Final = "GENERIC"
RESTORE: Final = "RESTORE_BACKUP"
VIEW: Final = "VIEW"
READ, IGNORE, FAIL = "read", "ignore", "fail"
_CONFLUENT: Final = "io.confluent.connect.s3.format."
FORMAT_CLASSES: Final = {
    "json.jsonformat": "jsonl",
    "avro.avroformat": "avro",
    "parquet.parquetformat": "parquet",
    "string.stringformat": "lines",
}
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")


def _path(value: Any) -> str | None:
    if value and not (value.startswith("s3://") and urlsplit(value).netloc):
        return "must be s3://bucket/prefix"
    return None


def _topic(value: Any) -> str | None:
    if not value or _NAME.fullmatch(value):
        return None
    return "must be made of letters, digits, '.', '_' and '-'"


def _format_class(value: Any) -> str | None:
    if not value or _plain(value) in FORMAT_CLASSES:
        return None
    known = ", ".join(_CONFLUENT + name for name in ("json.JsonFormat", "avro.AvroFormat", "parquet.ParquetFormat"))
    return f"must be one of {known}; or use the option format"


def _plain(name: str) -> str:
    return name.lower().removeprefix(_CONFLUENT)


def _topics_of(value: Any) -> str | None:
    for item in value:
        topic, colon, pattern = item.partition(":")
        if not colon or not _NAME.fullmatch(topic):
            return f"must be topic:regular expression, which {item!r} is not"
        try:
            re.compile(pattern)
        except re.error as error:
            return f"has an expression that is none: {pattern!r}: {error}"
    return None


_PLACE: Final = (
    Option("path", default="", validate=_path, importance="high", group="Objects",
           doc="What to read: `s3://bucket/prefix`, all objects in and below that folder."),
    Option("s3.bucket.name", default="", importance="high", group="Objects",
           doc="Confluent's way to say `path: s3://<s3.bucket.name>/<topics.dir>`; give one or the other."),
    Option("topics.dir", default="topics", group="Objects", doc="Folder in the bucket, with `s3.bucket.name`."),
    Option("mode", default="", choices=("", GENERIC, RESTORE, VIEW), importance="high", group="Objects",
           doc="What lies there. GENERIC: objects of whatever name. RESTORE_BACKUP: what Confluent's S3 sink wrote; "
           "the first folder below `path` names the topic. VIEW: a view of ParquetSink, whose `path` this is. Default: "
           "GENERIC where `topic` or `topic.regex.list` is given, else RESTORE_BACKUP, which is Confluent's."),
    Option("topic", default="", validate=_topic, importance="high", group="Objects",
           doc="Topic to write to. In the modes RESTORE_BACKUP and VIEW it takes the place of the topics of old."),
    Option("topic.regex.list", OptionType.LIST, (), "`topic:regular expression` pairs: an object goes to the topic of "
           "the first expression that its whole key matches; others are left out.", validate=_topics_of,
           group="Objects"),
    Option("exclude", OptionType.LIST, (), "Patterns (`*`, `?`, `[…]`) of keys not to read, or where they hold no "
           "slash of their last part: *.tmp,_SUCCESS.", group="Objects"),
    Option("on.change", default=READ, choices=(READ, IGNORE, FAIL), group="Objects",
           doc="An object that was read, or begun, is replaced by another one. read: from its beginning, with a "
           "warning. ignore: it is left, with a warning. fail: the task stops."),
)  # fmt: skip

_FINDING: Final = (
    Option("s3.poll.interval.ms", OptionType.LONG, 60_000, "How often to ask for new objects.", validate=at_least(10),
           aliases=("poll.interval.ms",), group="Finding objects"),
    Option("listing.full.interval.ms", OptionType.LONG, 3_600_000, "How often to list everything. In between only "
           "names behind the last one of each folder are looked for; this finds the others, objects that were changed, "
           "and those of which the queue has not told. 0: at every poll.", validate=at_least(0),
           group="Finding objects"),
    Option("remember.ms", OptionType.LONG, 86_400_000, "How long after its last modification an object is remembered "
           "by name. Older ones count as done once a listing has passed them: no upload may take longer than this.",
           validate=at_least(0), importance="low", group="Finding objects"),
    Option("sqs.url", default="", validate=url_problem, importance="high", group="Finding objects",
           doc="URL of a queue to which the bucket sends its events (also by way of SNS or EventBridge). New objects "
           "are then read as soon as it tells of them; one task."),
)  # fmt: skip

_RECORDS: Final = (
    Option("key.fields", OptionType.LIST, (), "Fields that make the key, a struct. A row without a value in one of "
           "them is a bad one.", importance="high", group="Records"),
    Option("timestamp.field", default="", group="Records",
           doc="Field that holds the record's time: a timestamp type, or milliseconds since 1970."),
    Option("store.kafka.keys", OptionType.BOOLEAN, False, "With RESTORE_BACKUP and JSON: keys lie beside each object, "
           "in `….keys.json`, as the sink's option of this name has it.", group="Records"),
    Option("store.kafka.headers", OptionType.BOOLEAN, False, "The same of headers, in `….headers.json`.",
           group="Records"),
    Option("headers.enabled", OptionType.BOOLEAN, True, "Add the headers headwater.file and headwater.line, which say "
           "where a record comes from, in the mode GENERIC. false is faster.", group="Records"),
    Option("record.batch.max.size", OptionType.INT, 2_000, "Rows of one batch at most; a batch also ends at 4 MiB.",
           validate=at_least(1), aliases=("batch.size",), group="Records", importance="low"),
)  # fmt: skip

_FORMAT_CLASS: Final = Option("format.class", default="", validate=_format_class, importance="high", group="Format",
                              doc="Confluent's way to say `format`: JsonFormat is jsonl.")  # fmt: skip

_OWN: Final = "Headwater has its own way; remove the option"
_REFUSED: Final = (
    Unsupported("behavior.on.error", "set errors.tolerance: all for log and ignore", harmless=("fail",)),
    Unsupported("folders", "name the folder in path or topics.dir; several folders are several connectors",
                harmless=("",)),
    Unsupported("partitioner.class", "folders below the topic's are read whatever they are named",
                harmless=("io.confluent.connect.storage.partitioner.defaultpartitioner",)),
    Unsupported("partition.field.name", "folders are read whatever they are named"),
    Unsupported("path.format", "folders are read whatever they are named"),
    Unsupported("file.discovery.starting.timestamp", "all objects are read; leave old ones out with topic.regex.list",
                harmless=("0",)),
    Unsupported("task.batch.size", "objects are shared among tasks by their keys", harmless=("10",)),
    Unsupported("s3.retry.backoff.ms", "set errors.retry.delay.max.ms", harmless=("200",)),
    Unsupported("s3.sse.customer.key", "objects encrypted with a key of the client's own cannot be read"),
    Unsupported("s3.http.send.expect.continue", _OWN, harmless=("true", "false")),
    Unsupported("storage.class", "the option path says where objects lie",
                harmless=("io.confluent.connect.s3.storage.s3storage",)),
    Unsupported("keys.format.class", "keys are read as JSON",
                harmless=("io.confluent.connect.s3.format.json.jsonformat",)),
    Unsupported("headers.format.class", "headers are read as JSON",
                harmless=("io.confluent.connect.s3.format.json.jsonformat",)),
    Unsupported("format.bytearray.extension", "whole objects as bytes are not read", harmless=(".bin",)),
    Unsupported("format.bytearray.separator", "whole objects as bytes are not read"),
    Unsupported("format.json.schema.enable", "rows of JSON have the schema that the option types gives",
                harmless=("false",)),
    Unsupported("directory.delim", "folders are separated by /", harmless=("/",)),
    Unsupported("schema.cache.size", _OWN, harmless=("50", "1000")),
    Unsupported(r"s3\.credentials\.provider\.(?!class$).+", "use aws.access.key.id and aws.secret.access.key",
                pattern=True),
    Unsupported(r"confluent\.(license|topic)(\..*)?", "Headwater needs no licence", pattern=True),
)  # fmt: skip

_LISTED: Final = "objects are not listed, the view tells of its files"
_NOT_OF_VIEWS: Final = {
    "sqs.url": "a view tells of its files itself",
    "exclude": "a view is read whole",
    "timestamp.field": "records get their times from the column __timestamp",
    "listing.full.interval.ms": _LISTED,
    "remember.ms": _LISTED,
}


def _formats() -> Options:
    """`format` need not be given where `format.class` is, or the mode says it."""
    entries = [dataclasses.replace(entry, default="", choices=("", *entry.choices))
               if isinstance(entry, Option) and entry.name == "format" else entry
               for entry in FORMAT_OPTIONS.entries]  # fmt: skip
    return Options(*entries, _FORMAT_CLASS)


OPTIONS: Final = (
    Options(*_PLACE, *_FINDING) + _formats() + Options(*_RECORDS) + ACCESS_OPTIONS + Options(*REFUSED_ACCESS, *_REFUSED)
)


def place(values: Values) -> tuple[str, str]:
    """Bucket, and the prefix of all keys: "" or with a slash at the end."""
    path: str = values["path"] or f"s3://{values['s3.bucket.name']}/{values['topics.dir']}"
    bucket, _, folder = path.removeprefix("s3://").partition("/")
    folder = folder.strip("/")
    return bucket, f"{folder}/" if folder else ""


def mode(values: Values) -> str:
    chosen: str = values["mode"]
    return chosen or (GENERIC if values["topic"] or values["topic.regex.list"] else RESTORE)


def with_format(values: Values) -> Values:
    """Values in which `format` says what it is, however the user said it; "" where nothing does."""
    chosen = values["format"] or FORMAT_CLASSES.get(_plain(values["format.class"]), "")
    if not chosen and mode(values) == VIEW:
        chosen = "parquet"
    return Values({**values, "format": chosen}, [name for name in values if values.given(name)])


def source_problems(values: Values) -> list[Problem]:
    """Rules over several options; `values`: `with_format`."""
    found = access_problems(values)
    if values["path"] and values["s3.bucket.name"]:
        found.append(Problem("s3.bucket.name", "says the same as path", "keep one of the two"))
    elif not (values["path"] or values["s3.bucket.name"]):
        found.append(Problem("path", "required and missing", "s3://bucket/prefix"))
    chosen = mode(values)
    if not values["format"]:
        found.append(Problem("format", "required and missing", "lines, csv, jsonl, avro or parquet"))
    if values["format.class"] and values.given("format"):
        found.append(Problem("format.class", "says the same as format", "keep one of the two"))
    if chosen == VIEW and values["format"] != "parquet":
        name = "format" if values.given("format") else "format.class"
        found.append(Problem(name, "a view is made of Parquet files", "remove the option"))
    if chosen == GENERIC and not (values["topic"] or values["topic.regex.list"]):
        found.append(Problem("topic", "required and missing with mode: GENERIC", "or give topic.regex.list"))
    if values["topic"] and values["topic.regex.list"]:
        found.append(Problem("topic.regex.list", "says the same as topic", "keep one of the two"))
    if chosen != GENERIC and values["topic.regex.list"]:
        found.append(Problem("topic.regex.list", "has a meaning with mode: GENERIC only", "remove the option"))
    if chosen == VIEW:
        found += [Problem(name, why, "remove the option") for name, why in _NOT_OF_VIEWS.items()
                  if values.given(name) and values[name] not in ("", (), [])]  # fmt: skip
    if values["path"] and values.given("topics.dir") and values["topics.dir"]:
        found.append(Problem("topics.dir", "has a meaning with s3.bucket.name only", "path names the folder"))
    if (values["key.fields"] or values["timestamp.field"]) and values["format"] == "lines":
        name = "key.fields" if values["key.fields"] else "timestamp.field"
        found.append(Problem(name, "lines have no fields", "use another format"))
    for name in ("store.kafka.keys", "store.kafka.headers"):
        if values[name] and (chosen != RESTORE or values["format"] != "jsonl"):
            found.append(Problem(name, "has a meaning with mode: RESTORE_BACKUP and format: jsonl only",
                                 "remove the option"))  # fmt: skip
    if values["store.kafka.keys"] and values["key.fields"]:
        found.append(Problem("key.fields", "store.kafka.keys gives the keys", "keep one of the two"))
    return found
