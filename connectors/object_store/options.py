"""Where a store is and who asks it. Option names are those of Confluent's S3 connectors where they have them.

Source: io.confluent.connect.s3.S3SinkConnectorConfig of kafka-connect-storage-cloud 10.5.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from headwater.worker.api import Option, Options, OptionType, Problem, Unsupported, Values


def url_problem(value: Any) -> str | None:
    if not value:
        return None
    parts = urlsplit(value)
    return None if parts.scheme in ("http", "https") and parts.netloc else "must be like https://host:port"


ACCESS_OPTIONS: Final = Options(
    Option("s3.region", default="", group="storage",
           doc="Region of the bucket. Default: that of the AWS environment, else us-east-1."),
    Option("store.url", default="", validate=url_problem, group="storage",
           doc="URL of a store other than AWS that speaks S3, e.g. `https://minio:9000`."),
    Option("aws.access.key.id", default="", group="storage",
           doc="Access key. Default: AWS's own order (environment, profile, container, instance)."),
    Option("aws.secret.access.key", OptionType.PASSWORD, "", group="storage",
           doc="Secret key; needed where `aws.access.key.id` is given."),
    Option("s3.path.style.access.enabled", OptionType.BOOLEAN, None, group="storage", importance="low",
           doc="Bucket in the path of the URL rather than in its host name. Default: true with `store.url`."),
    Option("s3.part.retries", OptionType.INT, 3, group="storage", importance="low",
           doc="How often a request that failed is tried again before the task waits with its own backoff.",
           validate=lambda v: None if 0 <= v <= 20 else "must be between 0 and 20"),
    Option("s3.proxy.url", default="", validate=url_problem, group="storage", importance="low",
           doc="HTTP proxy on the way to the store."),
    Option("s3.proxy.user", default="", group="storage", importance="low", doc="User at the proxy."),
    Option("s3.proxy.password", OptionType.PASSWORD, "", group="storage", importance="low",
           doc="Password at the proxy."),
)  # fmt: skip

REFUSED_ACCESS: Final = (
    Unsupported("s3.credentials.provider.class", "a Java class; AWS's own order of credentials is used, or give "
                "aws.access.key.id",
                harmless=("com.amazonaws.auth.defaultawscredentialsproviderchain",
                          "software.amazon.awssdk.auth.credentials.defaultcredentialsprovider")),
    Unsupported("s3.wan.mode", "transfer acceleration: give its host in store.url", harmless=("false",)),
)  # fmt: skip


def access_problems(values: Values) -> list[Problem]:
    """Rules over several of these options."""
    found: list[Problem] = []
    if bool(values["aws.access.key.id"]) != bool(values["aws.secret.access.key"]):
        missing = "aws.secret.access.key" if values["aws.access.key.id"] else "aws.access.key.id"
        found.append(Problem(missing, "is missing", "aws.access.key.id and aws.secret.access.key go together"))
    if values["s3.proxy.user"] and not values["s3.proxy.url"]:
        found.append(Problem("s3.proxy.url", "is missing", "s3.proxy.user is given"))
    return found
