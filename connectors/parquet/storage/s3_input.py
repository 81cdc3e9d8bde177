"""Random access to an object, for `pyarrow.PythonFile`. Every read sees the object as it was when it was opened."""

from __future__ import annotations

import io
from typing import Any, Final

from headwater.connectors.object_store import code, fetch, s3_errors, status

TAIL: Final = 4 * 1024 * 1024
"""Bytes fetched at once from the end, where a Parquet file says what it holds; a file not larger needs one request."""


class S3Input(io.RawIOBase):
    """Opening asks the store. Raises `FileNotFoundError`, else what `s3_errors` makes."""

    def __init__(self, client: Any, bucket: str, key: str, url: str) -> None:
        super().__init__()
        self._client, self._url = client, url
        self._arguments = {"Bucket": bucket, "Key": key}
        self._at = 0
        self._size = self._tail_start = 0
        self._tail = b""
        self._open()

    def _open(self) -> None:
        from botocore.exceptions import ClientError

        with s3_errors("read", self._url):
            try:
                self._tail, answer = fetch(self._client, self._arguments, f"bytes=-{TAIL}")
            except ClientError as error:
                if code(error) in ("NoSuchKey", "404"):
                    raise FileNotFoundError(f"there is no {self._url}") from error
                if status(error) == 416:  # no bytes at all
                    return
                raise
        total = str(answer.get("ContentRange", "")).rpartition("/")[2]
        self._size = int(total) if total.isdigit() else len(self._tail)
        self._tail_start = self._size - len(self._tail)
        self._arguments["IfMatch"] = answer["ETag"]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
        start = min(self._at, end)
        if start == end:
            return b""
        if start >= self._tail_start:
            data = self._tail[start - self._tail_start : end - self._tail_start]
        else:
            with s3_errors("read", self._url):
                data = fetch(self._client, self._arguments, f"bytes={start}-{end - 1}")[0]
        self._at = start + len(data)
        return data

    def readall(self) -> bytes:
        return self.read()
