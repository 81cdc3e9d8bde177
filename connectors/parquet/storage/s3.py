"""Objects below a prefix of a bucket.

An object appears whole or not at all: small ones by one PUT, large ones by completing a multipart upload. pyarrow's own
S3 stream is not used: on an exception, and when it is collected, it publishes what it has so far.
Source: Amazon S3 API Reference (PutObject with If-None-Match and If-Match, CompleteMultipartUpload, ListObjectsV2).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

from headwater.connectors.object_store import code, make_client, s3_errors, status
from headwater.worker.api import Retriable, Values

from .contract import FileInfo, Output
from .paths import checked, checked_folder
from .probing import probe
from .s3_input import S3Input
from .s3_output import S3Output, content_md5

_DELETE_AT_ONCE: Final = 1000
_CONFLICTS: Final = 5
"""How often a conditional write is tried that meets another one in flight (409)."""


class S3Storage:
    """See `contract.Storage`. `root`: `s3://bucket/prefix`; `values`: of `options.STORAGE_OPTIONS`."""

    def __init__(self, root: str, values: Values) -> None:
        self.root = root.rstrip("/")
        parts = urlsplit(self.root)
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        self._client = make_client(values)
        self._arguments = {"Bucket": self._bucket} | encryption(values)
        self._part_size: int = values["s3.part.size"]

    def read(self, path: str) -> tuple[bytes, str] | None:
        from botocore.exceptions import ClientError

        with s3_errors("read", self._url(path)):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._key(path))
            except ClientError as error:
                if code(error) in ("NoSuchKey", "404"):
                    return None
                raise
            return answer["Body"].read(), answer["ETag"]

    def create(self, path: str, data: bytes) -> bool:
        return self._put_if(path, data, {"IfNoneMatch": "*"})

    def replace(self, path: str, data: bytes, tag: str) -> bool:
        return self._put_if(path, data, {"IfMatch": tag})

    def _put_if(self, path: str, data: bytes, condition: dict[str, str]) -> bool:
        from botocore.exceptions import ClientError

        for attempt in range(_CONFLICTS):
            with s3_errors("write", self._url(path)):
                try:
                    self._client.put_object(
                        Key=self._key(path), Body=data, ContentMD5=content_md5(data), **condition, **self._arguments
                    )
                    return True
                except ClientError as error:
                    if status(error) == 412 or code(error) in ("PreconditionFailed", "NoSuchKey"):
                        # Perhaps by this very call: its answer was lost and the client asked again.
                        current = self.read(path)
                        return current is not None and current[0] == data
                    if status(error) != 409:
                        raise
            time.sleep(0.05 * 2**attempt)
        raise Retriable(f"{self._url(path)}: other writers keep changing it. Headwater reads it again and tries again.")

    def open_output(self, path: str) -> Output:
        return S3Output(self._client, self._arguments | {"Key": self._key(path)}, self._url(path), self._part_size)

    def open_input(self, path: str) -> Any:
        import pyarrow as pa

        return pa.PythonFile(S3Input(self._client, self._bucket, self._key(path), self._url(path)), mode="r")

    def list(self, folder: str = "") -> Iterator[FileInfo]:
        start = checked_folder(folder)
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._below(start))
        with s3_errors("list", f"{self.root}/{start}"):
            for page in pages:
                for item in page.get("Contents", ()):
                    if not item["Key"].endswith("/"):  # consoles make such to show an empty folder
                        path = item["Key"].removeprefix(self._below(""))
                        yield FileInfo(path, item["Size"], int(item["LastModified"].timestamp() * 1000))

    def delete(self, paths: Iterable[str]) -> None:
        keys = [{"Key": self._key(path)} for path in paths]
        for start in range(0, len(keys), _DELETE_AT_ONCE):
            some = keys[start : start + _DELETE_AT_ONCE]
            url = f"s3://{self._bucket}/{some[0]['Key']}" + (f" and {len(some) - 1} more" if some[1:] else "")
            with s3_errors("delete", url):
                answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": some, "Quiet": True})
                for wrong in answer.get("Errors", ()):
                    raise _client_error(wrong)

    def abandon_uploads(self, folder: str = "", older_than_s: float = 86_400) -> int:
        start, removed = checked_folder(folder), 0
        url = f"{self.root}/{start}"
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._bucket, Prefix=self._below(start)
        )
        with s3_errors("clean up", url):
            for page in pages:
                for upload in page.get("Uploads", ()):
                    if _age_s(page, upload) >= older_than_s:
                        self._abort(upload)
                        removed += 1
        return removed

    def _abort(self, upload: dict[str, Any]) -> None:
        from botocore.exceptions import ClientError

        try:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        except ClientError as error:
            if code(error) != "NoSuchUpload":
                raise

    def probe(self, folder: str = "") -> None:
        probe(self, folder)

    def close(self) -> None:
        self._client.close()

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{checked(path)}" if self._prefix else checked(path)

    def _url(self, path: str) -> str:
        return f"{self.root}/{path}"

    def _below(self, folder: str) -> str:
        """The prefix that the keys of all files in `folder` have."""
        return "".join(f"{part}/" for part in (self._prefix, folder) if part)


def _age_s(page: dict[str, Any], upload: dict[str, Any]) -> float:
    """By the store's clock, not ours."""
    now = parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
    return float((now - upload["Initiated"]).total_seconds())


def _client_error(wrong: dict[str, Any]) -> Exception:
    from botocore.exceptions import ClientError

    error: Exception = ClientError({"Error": wrong}, "DeleteObjects")
    return error


def encryption(values: Values) -> dict[str, str]:
    """Arguments for every request that makes an object."""
    found = {"ServerSideEncryption": values["s3.ssea.name"], "SSEKMSKeyId": values["s3.sse.kms.key.id"]}
    return {name: value for name, value in found.items() if value}
