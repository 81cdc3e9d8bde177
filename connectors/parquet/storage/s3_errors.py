"""What S3 and the way to it report, in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from headwater.worker.api import Fatal, HeadwaterError, Retriable

_THROTTLED: Final = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded",
                               "TooManyRequests", "RequestThrottled", "BandwidthLimitExceeded"})  # fmt: skip
_LATER: Final = frozenset({"RequestTimeout", "RequestTimeoutException", "InternalError", "ServiceUnavailable",
                           "OperationAborted", "ConditionalRequestConflict", "BadDigest", "IncompleteBody",
                           "NoSuchUpload", "InvalidPart", "ExpiredToken", "PreconditionFailed"})  # fmt: skip
"""A lost upload (`NoSuchUpload`, swept up or timed out) is written again from the log; tokens are fetched anew; an
object that was overwritten while it was read (`PreconditionFailed`) is read again."""
_REFUSED: Final = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "InvalidObjectState"})
_UNKNOWN_KEYS: Final = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken",
                                  "AuthorizationHeaderMalformed", "RequestTimeTooSkewed"})  # fmt: skip
_RETRY: Final = "Nothing of this commit is visible to readers and nothing is lost; Headwater tries again"


def status(error: Any) -> int:
    """The HTTP status of a `botocore.exceptions.ClientError`."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def s3_errors(action: str, url: str) -> Iterator[None]:
    """Turn an error of boto3 while `action` ("write") is done to `url` into `Retriable` or `Fatal`."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _explain_answer(error, action, url) from error
    except (BotoCoreError, Boto3Error) as error:
        raise _explain_way(error, action, url) from error


def _explain_answer(error: Any, action: str, url: str) -> HeadwaterError:
    name, number = code(error), status(error)
    said = str(error.response.get("Error", {}).get("Message", "")).strip()
    what = f"cannot {action} {url}: S3 says {name or number}" + (f" ({said})" if said else "")
    bucket = re.match(r"s3://[^/]*", url)
    place = bucket[0] if bucket else url
    if name in _THROTTLED or number == 429 or (number == 503 and name in ("", "503")):
        return Retriable(f"{what}: too many requests. {_RETRY}, ever more slowly. Fewer tasks or larger files help.")
    if name == "NoSuchBucket":
        return Fatal(f"{what}. Nothing was written. Create the bucket {place}, or correct path or s3.bucket.name.")
    if name in _REFUSED or (number == 403 and name not in _UNKNOWN_KEYS | _LATER):
        return Fatal(
            f"{what}. Nothing was changed. Allow s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload, "
            f"s3:ListBucket and s3:ListBucketMultipartUploads on {place} to the key that Headwater uses."
        )
    if name in _UNKNOWN_KEYS:
        return Fatal(
            f"{what}. Nothing was changed. Check aws.access.key.id, aws.secret.access.key, s3.region and store.url, "
            "and this machine's clock."
        )
    if name in ("PermanentRedirect", "IllegalLocationConstraintException") or number in (301, 307):
        return Fatal(f"{what}. Nothing was changed. The bucket is in another region: set s3.region.")
    if name == "NotImplemented" or number == 501:
        return Fatal(f"{what}. Nothing was changed. The store lacks what a view needs: use AWS S3 or one like it.")
    if name in _LATER or number >= 500 or number in (408, 409):
        return Retriable(f"{what}. {_RETRY}.")
    return Fatal(f"{what}. Nothing was changed. Look at the options path, store.url, s3.* and aws.*.")


def _explain_way(error: Exception, action: str, url: str) -> HeadwaterError:
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
            f"{what}. Nothing was changed. Give aws.access.key.id and aws.secret.access.key, or credentials where "
            "AWS's tools look for them (AWS_ACCESS_KEY_ID, ~/.aws/credentials, the instance's role)."
        )
    if isinstance(error, HTTPClientError):
        return Retriable(f"{what}. {_RETRY}. Check store.url, the network and the proxy if this stays.")
    return Retriable(f"{what}. {_RETRY}.")


def _masked(text: str) -> str:
    """A proxy's URL may hold a password."""
    return re.sub(r"://[^/@\s]*@", "://***@", text)
