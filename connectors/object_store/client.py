"""boto3 clients from a connector's options: for S3, and for the queue that tells of its objects."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

from headwater.worker.api import Fatal, Values

CONNECT_TIMEOUT_S: Final = 10
READ_TIMEOUT_S: Final = 30


def make_client(values: Values) -> Any:
    """A client of S3; `values`: of a plugin whose options contain `ACCESS_OPTIONS`.

    Raises `Fatal` where boto3 is not installed. Threads may share the client.
    """
    return _client("s3", values, values["store.url"] or None, values["s3.region"] or None)


def make_queue_client(values: Values, queue_url: str) -> Any:
    """The same of SQS, at the host that is part of the queue's URL."""
    parts = urlsplit(queue_url)
    named = re.match(r"sqs\.([a-z0-9-]+)\.amazonaws\.", parts.netloc)
    region = named[1] if named else values["s3.region"] or None
    return _client("sqs", values, f"{parts.scheme}://{parts.netloc}", region)


def _client(service: str, values: Values, endpoint: str | None, named_region: str | None) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise Fatal("S3 needs boto3: pip install 'headwater[s3]'") from error
    path_style = values["s3.path.style.access.enabled"]
    if path_style is None:
        path_style = bool(values["store.url"])
    proxy = _proxy(values)
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": values["s3.part.retries"] + 1},
        s3={"addressing_style": "path" if path_style else "auto"},
        proxies={"http": proxy, "https": proxy} if proxy else None,
        # Content-MD5 protects each part; newer checksums are sent as trailers, which other stores refuse.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        max_pool_connections=16,
        tcp_keepalive=True,
    )
    session = boto3.Session(
        aws_access_key_id=values["aws.access.key.id"] or None,
        aws_secret_access_key=values["aws.secret.access.key"] or None,
        region_name=named_region,
    )
    region = session.region_name or "us-east-1"
    return session.client(service, region_name=region, endpoint_url=endpoint, config=config)


def _proxy(values: Values) -> str:
    url: str = values["s3.proxy.url"]
    if not url or not values["s3.proxy.user"]:
        return url
    parts = urlsplit(url)
    who = f"{quote(values['s3.proxy.user'], safe='')}:{quote(values['s3.proxy.password'] or '', safe='')}"
    return urlunsplit(parts._replace(netloc=f"{who}@{parts.netloc}"))
