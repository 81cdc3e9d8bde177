"""An object on its way to becoming visible: parts of a multipart upload, or one PUT where it is small."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from typing import Any, Final

from headwater.connectors.object_store import s3_errors
from headwater.worker.api import Fatal, HeadwaterError

_MOST_PARTS: Final = 10_000


def content_md5(data: bytes | bytearray) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


class S3Output:
    """See `contract.Output`. Holds up to one part, `part_size` bytes, in memory.

    `arguments`: Bucket, Key and encryption, for every request that makes an object.
    """

    def __init__(self, client: Any, arguments: dict[str, str], url: str, part_size: int) -> None:
        self._client, self._arguments, self._url = client, arguments, url
        self._place = {"Bucket": arguments["Bucket"], "Key": arguments["Key"]}
        self._part_size = part_size
        self._buffer = bytearray()
        self._written = 0
        self._upload: str | None = None
        self._parts: list[dict[str, Any]] = []
        self._ended = False

    @property
    def closed(self) -> bool:
        return self._ended

    @property
    def buffered_bytes(self) -> int:
        return len(self._buffer)

    def write(self, data: Any, /) -> int:
        if self._ended:
            raise ValueError(f"{self._url} is published or discarded")
        view = memoryview(data).cast("B")
        taken = 0
        while taken < len(view):
            piece = view[taken : taken + self._part_size - len(self._buffer)]
            self._buffer += piece
            taken += len(piece)
            if len(self._buffer) == self._part_size:
                self._send_part()
        self._written += taken
        return taken

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """Parts go out when they are full."""

    def close(self) -> None:
        """Left to `publish` and `discard`."""

    def publish(self) -> None:
        if self._ended:
            raise ValueError(f"{self._url} is published or discarded")
        try:
            if self._upload is None:
                self._put_whole()
            else:
                if self._buffer:
                    self._send_part()
                with s3_errors("publish", self._url):
                    self._client.complete_multipart_upload(
                        **self._place, UploadId=self._upload, MultipartUpload={"Parts": self._parts}
                    )
                self._upload = None
        finally:
            self.discard()

    def discard(self) -> None:
        self._ended = True
        self._buffer = bytearray()
        if self._upload is not None:
            with contextlib.suppress(HeadwaterError), s3_errors("abort", self._url):
                self._client.abort_multipart_upload(**self._place, UploadId=self._upload)
            self._upload = None

    def _put_whole(self) -> None:
        with s3_errors("write", self._url):
            data = bytes(self._buffer)
            self._client.put_object(Body=data, ContentMD5=content_md5(data), **self._arguments)

    def _send_part(self) -> None:
        number = len(self._parts) + 1
        if number > _MOST_PARTS:
            raise Fatal(f"{self._url} has more than {_MOST_PARTS} parts: raise s3.part.size, or rotate files earlier.")
        with s3_errors("write", self._url):
            if self._upload is None:
                self._upload = self._client.create_multipart_upload(**self._arguments)["UploadId"]
            data = bytes(self._buffer)
            answer = self._client.upload_part(
                **self._place, UploadId=self._upload, PartNumber=number, Body=data, ContentMD5=content_md5(data)
            )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        self._buffer.clear()
