"""What S3 and the way to it report, in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from headwater.worker.api import Fatal, HeadwaterError, Retriable

_THROTTLED: Final = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded",
                               "TooManyRequests", "RequestThrottled", "BandwidthLimitExceeded"})  # fmt: skip
_LATER: Final = frozenset({"RequestTimeout", "RequestTimeoutException", "InternalError", "ServiceUnavailable",
                           "OperationAborted", "ConditionalRequestConflict", "BadDigest", "IncompleteBody",
                           "NoSuchUpload", "InvalidPart", "ExpiredToken", "PreconditionFailed"})  # fmt: skip
"""A lost upload (`NoSuchUpload`, swept up or timed out) is written again from the log; tokens are fetched anew; an
object that was overwritten while it was read (`PreconditionFailed`) is read again."""
_REFUSED: Final = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem"})
_UNKNOWN_KEYS: Final = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken",
                                  "AuthorizationHeaderMalformed", "RequestTimeTooSkewed"})  # fmt: skip


class Words(NamedTuple):
    """What a connector adds to S3's own words. `retry`: what happens next; `unchanged`: what has not happened;
    `rights`: actions that its key must be allowed; `place`: options that name the bucket; `needs`: what lacks where
    the store does not know a request."""

    retry: str
    unchanged: str
    rights: str
    place: str
    needs: str
    service: str = "S3"


WRITING: Final = Words(
    retry="Nothing of this commit is visible to readers and nothing is lost; Headwater tries again",
    unchanged="Nothing was changed",
    rights="s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload, s3:ListBucket and "
    "s3:ListBucketMultipartUploads",
    place="path or s3.bucket.name",
    needs="what a view needs",
)
"""Of a view that is kept there."""
READING: Final = Words(
    retry="Nothing is lost; Headwater tries again and goes on behind the last row that the log has",
    unchanged="Nothing is lost",
    rights="s3:ListBucket and s3:GetObject",
    place="path or s3.bucket.name",
    needs="what a source needs",
)
"""Of objects that are read."""
QUEUE: Final = READING._replace(
    service="SQS",
    rights="sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes",
    place="sqs.url",
)
"""Of the queue that tells of new objects."""


def status(error: Any) -> int:
    """The HTTP status of a `botocore.exceptions.ClientError`."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def s3_errors(action: str, url: str, words: Words = WRITING) -> Iterator[None]:
    """Turn an error of boto3 while `action` ("write") is done to `url` into `Retriable` or `Fatal`."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _explain_answer(error, action, url, words) from error
    except (BotoCoreError, Boto3Error) as error:
        raise _explain_way(error, action, url, words) from error


def _explain_answer(error: Any, action: str, url: str, words: Words) -> HeadwaterError:
    name, number = code(error), status(error)
    said = str(error.response.get("Error", {}).get("Message", "")).strip()
    what = f"cannot {action} {url}: {words.service} says {name or number}" + (f" ({said})" if said else "")
    bucket = re.match(r"s3://[^/]*", url)
    place = bucket[0] if bucket else url
    if name in _THROTTLED or number == 429 or (number == 503 and name in ("", "503")):
        return Retriable(
            f"{what}: too many requests. {words.retry}, ever more slowly. Fewer tasks or larger files help."
        )
    if name == "NoSuchBucket":
        return Fatal(f"{what}. {words.unchanged}. Create the bucket {place}, or correct {words.place}.")
    if name == "InvalidObjectState":
        return Fatal(f"{what}. {words.unchanged}. The object is archived: restore it in the store, or leave it out.")
    if name in _REFUSED or (number == 403 and name not in _UNKNOWN_KEYS | _LATER):
        return Fatal(f"{what}. {words.unchanged}. Allow {words.rights} on {place} to the key that Headwater uses.")
    if name in _UNKNOWN_KEYS:
        return Fatal(
            f"{what}. {words.unchanged}. Check aws.access.key.id, aws.secret.access.key, s3.region and store.url, "
            "and this machine's clock."
        )
    if name in ("PermanentRedirect", "IllegalLocationConstraintException") or number in (301, 307):
        return Fatal(f"{what}. {words.unchanged}. The bucket is in another region: set s3.region.")
    if name == "NotImplemented" or number == 501:
        return Fatal(f"{what}. {words.unchanged}. The store lacks {words.needs}: use AWS S3 or one like it.")
    if name in _LATER or number >= 500 or number in (408, 409):
        return Retriable(f"{what}. {words.retry}.")
    return Fatal(f"{what}. {words.unchanged}. Look at the options {words.place}, store.url, s3.* and aws.*.")


def _explain_way(error: Exception, action: str, url: str, words: Words) -> HeadwaterError:
    """No answer at all."""
    from botocore.exceptions import (
        HTTPClientError,
        NoCredentialsError,
        PartialCredentialsError,
        ProfileNotFound,
    )

    what = f"cannot {action} {url}: {_masked(str(error))}"
    if isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound):
        return Fatal(
            f"{what}. {words.unchanged}. Give aws.access.key.id and aws.secret.access.key, or credentials where "
            "AWS's tools look for them (AWS_ACCESS_KEY_ID, ~/.aws/credentials, the instance's role)."
        )
    if isinstance(error, HTTPClientError):
        return Retriable(f"{what}. {words.retry}. Check store.url, the network and the proxy if this stays.")
    return Retriable(f"{what}. {words.retry}.")


def _masked(text: str) -> str:
    """A proxy's URL may hold a password."""
    return re.sub(r"://[^/@\s]*@", "://***@", text)
