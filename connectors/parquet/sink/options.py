"""The view's options: the names of Confluent's S3 sink where it has them.

Source: S3SinkConnectorConfig, StorageSinkConnectorConfig and PartitionerConfig of Confluent's
kafka-connect-storage-cloud 10.5 and kafka-connect-storage-common 11.
"""

from __future__ import annotations

import re
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headwater.connectors.debezium.placeholder import UNAVAILABLE_VALUE
from headwater.worker.api import Option, Options, OptionType, Unsupported, Values, at_least

from ..data_file import CODECS
from ..storage import STORAGE_OPTIONS
from .path_format import format_problem

CHANGE_LOG: Final = "change.log"
LATEST_STATE: Final = "latest.state"
_CONFLUENT: Final = "io.confluent.connect.storage.partitioner."
PARTITIONERS: Final = {
    "default": "none", "defaultpartitioner": "none", "none": "none",
    "field": "field", "fieldpartitioner": "field",
    "time": "time", "timebasedpartitioner": "time",
    "daily": "daily", "dailypartitioner": "daily",
    "hourly": "hourly", "hourlypartitioner": "hourly",
}  # fmt: skip
EXTRACTORS: Final = ("Record", "RecordField")
EXTRAS: Final = ("key", "version", "headers")
"""Columns of a change log that `metadata.columns` adds, as `__key`, `__version` and `__headers`."""


def partitioner(values: Values) -> str:
    """none, field, time, daily or hourly."""
    return PARTITIONERS[_plain(values["partitioner.class"])]


def _plain(name: str) -> str:
    return name.removeprefix(_CONFLUENT).lower()


def _partitioner(value: Any) -> str | None:
    if _plain(value) in PARTITIONERS:
        return None
    return "must be none, field, time, daily or hourly, or one of Confluent's classes of these names"


def _zone(value: Any) -> str | None:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "is no time zone, such as UTC or Europe/Berlin"
    return None


def _columns(value: Any) -> str | None:
    wrong = [item for item in value if item not in EXTRAS]
    return f"knows {', '.join(EXTRAS)}, not {', '.join(wrong)}" if wrong else None


def _table_format(value: Any) -> str | None:
    unknown = [name for name in re.findall(r"\$\{([^}]*)\}", value) if name != "topic"]
    return f"knows ${{topic}}, not {', '.join(unknown)}" if unknown else None


_CONTENT: Final = (
    Option("view.mode", default=CHANGE_LOG, choices=(CHANGE_LOG, LATEST_STATE), importance="high", group="content",
           doc="change.log: a row for each record, appended. latest.state: the newest row of each key; a delete takes "
           "it away, and files are rewritten."),
    Option("change.event.format", default="row", choices=("row", "envelope"), group="content",
           doc="What Debezium's change events become in a change log. row: the columns of the row after the change (of "
           "a delete: before it), with `__op` and `__deleted`. envelope: before, after, source … as nested columns."),
    Option("behavior.on.null.values", default="ignore", choices=("ignore", "write", "fail"), group="content",
           doc="Tombstones in a change log (Confluent's default is fail). write: a row with the key's columns and "
           "`__deleted`. In a latest state a tombstone deletes."),
    Option("metadata.columns", OptionType.LIST, [], "Further columns of a change log, beside `__topic`, `__partition`, "
           "`__offset` and `__timestamp`: key (`__key`, JSON), version (`__version`), headers (`__headers`, JSON): "
           "what S3Source needs to restore records from the view.", validate=_columns,
           group="content"),
    Option("table.name.format", default="${topic}", validate=_table_format, group="content",
           doc="Name of a topic's table: its folder, and its name in current.json."),
    Option("unavailable.value.placeholder", default=UNAVAILABLE_VALUE, group="content", importance="low",
           doc="What stands in an event for a large value that an update left unchanged. A latest state keeps the "
           "value it has; a change log holds the placeholder."),
)  # fmt: skip

_FILES: Final = (
    Option("rotate.schedule.interval.ms", OptionType.LONG, 60_000, "Readers see new rows after so long at most, and "
           "files are made about so often: few large ones are read faster. (Confluent's default is -1: never by the "
           "clock.)", validate=at_least(0), importance="high", group="files"),
    Option("flush.size", OptionType.INT, 1_000_000, "Rows after which a file is full.", validate=at_least(1),
           importance="high", group="files"),
    Option("rotate.size.bytes", OptionType.LONG, 256 * 1024 * 1024, "Bytes after which a file is full.",
           validate=at_least(1), group="files"),
    Option("rotate.interval.ms", OptionType.LONG, -1, "A file of a change log spans so much record time at most; -1: "
           "any.", validate=at_least(-1), group="files"),
    Option("parquet.codec", default="zstd", choices=CODECS, group="files",
           doc="Compression. (Confluent's default is snappy.)"),
    Option("parquet.row.group.rows", OptionType.INT, 1_000_000, "Rows in a row group, at most.", validate=at_least(1),
           group="files", importance="low"),
    Option("memory.max.bytes", OptionType.LONG, 256 * 1024 * 1024, "Rows that a task holds in memory, about. Beyond "
           "it files are closed early.", validate=at_least(1024 * 1024), group="files"),
    Option("latest.file.rows", OptionType.INT, 500_000, "Rows of a latest state's file; a fuller one is divided by "
           "the keys' hash. A commit rewrites the files whose keys have changed, one in memory at a time.",
           validate=at_least(1), group="files", importance="low"),
    Option("file.delete.delay.ms", OptionType.LONG, 3_600_000, "How long a file stays that a newer one has replaced: "
           "readers that have begun may need it.", validate=at_least(0), group="files", importance="low"),
)  # fmt: skip

_PARTITIONING: Final = (
    Option("partitioner.class", default="none", validate=_partitioner, group="partitioning",
           doc="How a change log is divided into folders: none, field, time (by path.format), daily, hourly; "
           "Confluent's class names mean the same."),
    Option("partition.field.name", OptionType.LIST, [], "Fields whose values name the folders (`region=eu`), with "
           "partitioner field.", group="partitioning"),
    Option("path.format", default="'dt'=YYYY-MM-dd/'hour'=HH", validate=format_problem, group="partitioning",
           doc="Folders of partitioner time: YYYY, MM, dd, HH, mm, and text in quotes."),
    Option("timezone", default="UTC", validate=_zone, group="partitioning", doc="Zone of the folders' times."),
    Option("timestamp.extractor", default="Record", choices=EXTRACTORS, group="partitioning",
           doc="The time that divides: the record's on the log, or a field's."),
    Option("timestamp.field", default="timestamp", group="partitioning",
           doc="The field, with timestamp.extractor RecordField: a timestamp type, milliseconds, or ISO 8601."),
)  # fmt: skip

_ALWAYS: Final = "Headwater does this always; remove the option"
_REFUSED: Final = (
    Unsupported("format.class", "Headwater writes Parquet here",
                harmless=("io.confluent.connect.s3.format.parquet.parquetformat",)),
    Unsupported("storage.class", "the option path says where files lie",
                harmless=("io.confluent.connect.s3.storage.s3storage",)),
    Unsupported("schema.compatibility", "columns are added and widened always; files are never projected back",
                harmless=("backward",)),
    Unsupported("partition.duration.ms", "path.format alone divides", harmless=("-1",)),
    Unsupported("locale", "folders are written in digits", harmless=("en", "en_us", "en-us")),
    Unsupported("file.delim", "names of files belong to Headwater", harmless=("+",)),
    Unsupported("filename.offset.zero.pad.width", "names of files belong to Headwater", harmless=("10",)),
    Unsupported("store.kafka.keys", "use metadata.columns: key", harmless=("false",)),
    Unsupported("store.kafka.headers", "use metadata.columns: headers", harmless=("false",)),
    Unsupported("keys.format.class", "use metadata.columns: key"),
    Unsupported("headers.format.class", "use metadata.columns: headers"),
    Unsupported("schema.cache.size", _ALWAYS, harmless=("1000", "50")),
    Unsupported("retry.backoff.ms", "set errors.retry.timeout and errors.retry.delay.max.ms", harmless=("5000",)),
    Unsupported("shutdown.timeout.ms", _ALWAYS, harmless=("3000",)),
    Unsupported("directory.delim", "folders are separated by /", harmless=("/",)),
)  # fmt: skip

OPTIONS: Final = STORAGE_OPTIONS + Options(*_CONTENT, *_FILES, *_PARTITIONING, *_REFUSED)
