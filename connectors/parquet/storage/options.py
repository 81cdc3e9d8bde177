"""Where the view's files lie. Option names are those of Confluent's S3 sink where it has them.

Source: io.confluent.connect.s3.S3SinkConnectorConfig of kafka-connect-storage-cloud 10.5.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

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


def _url(value: Any) -> str | None:
    if not value:
        return None
    parts = urlsplit(value)
    return None if parts.scheme in ("http", "https") and parts.netloc else "must be like https://host:port"


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

_S3: Final = (
    Option("s3.region", default="", group="storage",
           doc="Region of the bucket. Default: that of the AWS environment, else us-east-1."),
    Option("store.url", default="", validate=_url, group="storage",
           doc="URL of a store other than AWS that speaks S3, e.g. `https://minio:9000`."),
    Option("aws.access.key.id", default="", group="storage",
           doc="Access key. Default: AWS's own order (environment, profile, container, instance)."),
    Option("aws.secret.access.key", OptionType.PASSWORD, "", group="storage",
           doc="Secret key; needed where `aws.access.key.id` is given."),
    Option("s3.path.style.access.enabled", OptionType.BOOLEAN, None, group="storage", importance="low",
           doc="Bucket in the path of the URL rather than in its host name. Default: true with `store.url`."),
    Option("s3.part.size", OptionType.INT, 8 * 1024 * 1024, validate=_part_size, group="storage", importance="low",
           doc="Bytes of one part of an upload; each open file holds up to one part in memory. A file has at most "
           "10000 parts. (Confluent's default is 26214400.)"),
    Option("s3.part.retries", OptionType.INT, 3, group="storage", importance="low",
           doc="How often a request that failed is tried again before the task waits with its own backoff.",
           validate=lambda v: None if 0 <= v <= 20 else "must be between 0 and 20"),
    Option("s3.proxy.url", default="", validate=_url, group="storage", importance="low",
           doc="HTTP proxy on the way to the store."),
    Option("s3.proxy.user", default="", group="storage", importance="low", doc="User at the proxy."),
    Option("s3.proxy.password", OptionType.PASSWORD, "", group="storage", importance="low",
           doc="Password at the proxy."),
    Option("s3.ssea.name", default="", choices=("", "AES256", "aws:kms"), group="storage", importance="low",
           doc="Encryption at rest that S3 is asked for. Default: the bucket's own."),
    Option("s3.sse.kms.key.id", default="", group="storage", importance="low",
           doc="KMS key, with `s3.ssea.name: aws:kms`."),
)  # fmt: skip

_REFUSED: Final = (
    Unsupported("s3.sse.customer.key", "files encrypted with a key of the client's own cannot be read by the view's "
                "readers without it; use s3.ssea.name"),
    Unsupported("s3.credentials.provider.class", "a Java class; AWS's own order of credentials is used, or give "
                "aws.access.key.id",
                harmless=("com.amazonaws.auth.defaultawscredentialsproviderchain",)),
    Unsupported("s3.acl.canned", "set the access in the bucket's policy"),
    Unsupported("s3.object.tagging", "objects are not tagged", harmless=("false",)),
    Unsupported("s3.wan.mode", "transfer acceleration: give its host in store.url", harmless=("false",)),
    Unsupported("s3.compression.type", "for JSON and byte formats; see the compression of Parquet",
                harmless=("none",)),
    Unsupported("s3.compression.level", "for JSON and byte formats", harmless=("-1",)),
    Unsupported("s3.elastic.buffer.enable", "memory is bounded by the view's own option", harmless=("false",)),
)  # fmt: skip

STORAGE_OPTIONS: Final = Options(*_PLACE, *_S3, *_REFUSED)


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
                  for option in _S3 if values.given(option.name)]  # fmt: skip
    if bool(values["aws.access.key.id"]) != bool(values["aws.secret.access.key"]):
        missing = "aws.secret.access.key" if values["aws.access.key.id"] else "aws.access.key.id"
        found.append(Problem(missing, "is missing", "aws.access.key.id and aws.secret.access.key go together"))
    if values["s3.proxy.user"] and not values["s3.proxy.url"]:
        found.append(Problem("s3.proxy.url", "is missing", "s3.proxy.user is given"))
    if values["s3.sse.kms.key.id"] and values["s3.ssea.name"] != "aws:kms":
        found.append(Problem("s3.ssea.name", "must be aws:kms", "s3.sse.kms.key.id is given"))
    return found
