"""Bytes of an object, as it was when it was found, in pieces that fit into memory."""

from __future__ import annotations

import io
from typing import Any, Final

from .errors import READING, Words, code, s3_errors, status

PIECE: Final = 4 * 1024 * 1024
"""Bytes fetched at once where reading goes on; an object that is not larger is one request."""
_TRIES: Final = 3


class ObjectChanged(Exception):
    """The key has another object now, or none; what was read so far belongs to one that is gone."""


def fetch(client: Any, arguments: dict[str, Any], span: str) -> tuple[bytes, dict[str, Any]]:
    """`span`: of a Range header. A connection that breaks within a body is not seen by the client's own retries.

    Raises boto3's errors.
    """
    from botocore.exceptions import BotoCoreError

    tries = 0
    while True:
        answer = client.get_object(**arguments, Range=span)
        try:
            return answer["Body"].read(), answer
        except BotoCoreError:
            tries += 1
            if tries == _TRIES:
                raise


class Ranges:
    """One object: `size` bytes under `etag` ("" where the store has none). `ahead`: it is read from front to back.

    Raises `ObjectChanged`, `Retriable` and `Fatal` while it is read.
    """

    def __init__(
        self, client: Any, bucket: str, key: str, etag: str, size: int, ahead: bool, words: Words = READING
    ) -> None:
        self._client, self.size, self._ahead, self._words = client, size, ahead or size <= PIECE, words
        self.url = f"s3://{bucket}/{key}"
        self._arguments = {"Bucket": bucket, "Key": key} | ({"IfMatch": f'"{etag}"'} if etag else {})
        self._held, self._held_at = b"", 0

    def get(self, at: int, size: int) -> bytes:
        """At most `size` bytes from `at` on, at least one before the end."""
        end = min(at + size, self.size)
        if at >= end:
            return b""
        passed = at - self._held_at
        if 0 <= passed < len(self._held):
            return self._held[passed : passed + size]
        if not self._ahead:
            return self._fetch(at, end)
        begin = 0 if self.size <= PIECE else at
        self._held, self._held_at = self._fetch(begin, min(self.size, max(end, begin + PIECE))), begin
        return self._held[at - begin : at - begin + size]

    def _fetch(self, begin: int, end: int) -> bytes:
        from botocore.exceptions import ClientError

        with s3_errors("read", self.url, self._words):
            try:
                data, answer = fetch(self._client, self._arguments, f"bytes={begin}-{end - 1}")
            except ClientError as error:
                if status(error) in (404, 412, 416) and code(error) != "NoSuchBucket":
                    raise ObjectChanged(f"{self.url} is not what it was when it was found") from error
                raise
        if not answer.get("ContentRange"):  # a store that does not know ranges gives everything
            data = data[begin:end]
        if len(data) != end - begin:
            raise ObjectChanged(f"{self.url} is shorter than when it was found")
        return data


class RangeStream(io.RawIOBase):
    """A file over a `Ranges`; several may read through one."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges, self._at = ranges, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ranges.size}[whence]
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        data = self._ranges.get(self._at, len(view))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
