"""Where the view's files lie. Option names are those of Confluent's S3 sink where it has them.

Source: io.confluent.connect.s3.S3SinkConnectorConfig of kafka-connect-storage-cloud 10.5.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from headwater.connectors.object_store import ACCESS_OPTIONS, REFUSED_ACCESS, access_problems
from headwater.worker.api import Option, Options, OptionType, Problem, Unsupported, Values

SMALLEST_PART: Final = 5 * 1024 * 1024
"""S3 refuses smaller parts, the last one apart."""
LARGEST_PART: Final = 2**31 - 1


def _path(value: Any) -> str | None:
    if not value:
        return None
    if value.startswith("s3://"):
        return None if urlsplit(value).netloc else "names no bucket; write s3://bucket/prefix"
    if "://" in value:
        return "must be a local folder or s3://bucket/prefix"
    return None if value.startswith("/") else "must be an absolute folder or s3://bucket/prefix"


def _part_size(value: Any) -> str | None:
    return None if SMALLEST_PART <= value <= LARGEST_PART else f"must be between {SMALLEST_PART} and {LARGEST_PART}"


def _folder(value: Any) -> str | None:
    if any(part in ("", ".", "..") for part in value.split("/")) and value:
        return "must be a relative folder such as lake/topics"
    return None


_PLACE: Final = (
    Option("path", default="", validate=_path, importance="high", group="storage",
           doc="Where the view lies: a local folder (`/data/orders-view`) or `s3://bucket/prefix`. One view to a "
           "folder; the view's own folders are made in it."),
    Option("s3.bucket.name", default="", importance="high", group="storage",
           doc="Confluent's way to say `path: s3://<s3.bucket.name>/<topics.dir>`; give one or the other."),
    Option("topics.dir", default="topics", validate=_folder, group="storage",
           doc="Folder in the bucket, with `s3.bucket.name`."),
)  # fmt: skip

_WRITING: Final = (
    Option("s3.part.size", OptionType.INT, 8 * 1024 * 1024, validate=_part_size, group="storage", importance="low",
           doc="Bytes of one part of an upload; each open file holds up to one part in memory. A file has at most "
           "10000 parts. (Confluent's default is 26214400.)"),
    Option("s3.ssea.name", default="", choices=("", "AES256", "aws:kms"), group="storage", importance="low",
           doc="Encryption at rest that S3 is asked for. Default: the bucket's own."),
    Option("s3.sse.kms.key.id", default="", group="storage", importance="low",
           doc="KMS key, with `s3.ssea.name: aws:kms`."),
)  # fmt: skip

_REFUSED: Final = (
    Unsupported("s3.sse.customer.key", "files encrypted with a key of the client's own cannot be read by the view's "
                "readers without it; use s3.ssea.name"),
    Unsupported("s3.acl.canned", "set the access in the bucket's policy"),
    Unsupported("s3.object.tagging", "objects are not tagged", harmless=("false",)),
    Unsupported("s3.compression.type", "for JSON and byte formats; see the compression of Parquet",
                harmless=("none",)),
    Unsupported("s3.compression.level", "for JSON and byte formats", harmless=("-1",)),
    Unsupported("s3.elastic.buffer.enable", "memory is bounded by the view's own option", harmless=("false",)),
)  # fmt: skip

STORAGE_OPTIONS: Final = Options(*_PLACE) + ACCESS_OPTIONS + Options(*_WRITING, *REFUSED_ACCESS, *_REFUSED)


def place(values: Values) -> str:
    """The root: an absolute folder or `s3://bucket/prefix`, without a slash at the end; "" where none is given."""
    path: str = values["path"].rstrip("/")
    if path or not values["s3.bucket.name"]:
        return path
    return f"s3://{values['s3.bucket.name']}/{values['topics.dir']}".rstrip("/")


def storage_problems(values: Values) -> list[Problem]:
    """Rules over several options at once."""
    found: list[Problem] = []
    if values["path"] and values["s3.bucket.name"]:
        found.append(Problem("s3.bucket.name", "says the same as path", "keep one of the two"))
    elif not place(values):
        found.append(Problem("path", "required and missing", "a local folder or s3://bucket/prefix"))
    elif not place(values).startswith("s3://"):
        found += [Problem(option.name, "has a meaning on S3 only", "path names a local folder")
                  for option in (*ACCESS_OPTIONS, *_WRITING) if values.given(option.name)]  # fmt: skip
    found += access_problems(values)
    if values["s3.sse.kms.key.id"] and values["s3.ssea.name"] != "aws:kms":
        found.append(Problem("s3.ssea.name", "must be aws:kms", "s3.sse.kms.key.id is given"))
    return found
