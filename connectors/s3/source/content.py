"""One object as a format's content: complete, read in pieces, always the one that was found."""

from __future__ import annotations

import io
from typing import Any, BinaryIO, cast

from headwater.connectors.formats import codec_of, decompressed
from headwater.connectors.object_store import Ranges, RangeStream

from .position import Found

_BUFFER = 256 * 1024


class ObjectContent:
    """A `formats.Content`. `whole`: the format wants bytes from anywhere, and compresses by itself.

    Raises `ObjectChanged`, `Retriable` and `Fatal`, also while it is read.
    """

    complete = True

    def __init__(self, client: Any, bucket: str, found: Found, codec: str, whole: bool) -> None:
        """`codec` auto: told by the first bytes."""
        self.found = found
        self._whole = whole
        etag = "" if found.etag.startswith("~") else found.etag
        self._ranges = Ranges(client, bucket, found.key, etag, found.size, ahead=not whole)
        self.url = self._ranges.url
        if whole:
            self.codec = "none"
        else:
            self.codec = codec_of(self._ranges.get(0, 4)) if codec == "auto" else codec

    def open(self, at: int = 0) -> BinaryIO:
        stream = RangeStream(self._ranges)
        if self._whole:
            stream.seek(at)
            return cast(BinaryIO, stream)
        return decompressed(cast(BinaryIO, io.BufferedReader(stream, _BUFFER)), self.codec, at, self.complete)
