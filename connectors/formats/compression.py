"""Compressed bytes -> a stream of what they hold, sought forward by reading on."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable
from typing import BinaryIO, Final, cast

from .contract import Unreadable
from .zstd_frames import ends_whole

CODECS: Final = ("none", "gzip", "zstd")
_MAGIC: Final = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
_CHUNK: Final = 256 * 1024


def codec_of(beginning: bytes) -> str:
    """By the first bytes: names of files lie."""
    if beginning[1:4] == b"\x2a\x4d\x18" and beginning[0] >> 4 == 5:
        return "zstd"  # begins with a skippable frame, as pzstd writes it
    return next((name for name, magic in _MAGIC.items() if beginning.startswith(magic)), "none")


def missing(codec: str) -> str | None:
    """What has to be installed before it can be read, as a sentence."""
    if codec == "zstd":
        try:
            import zstandard  # noqa: F401 - only where it is used
        except ImportError:
            return "needs the package zstandard: pip install 'headwater[zstd]'"
    return None


def decompressed(raw: BinaryIO, codec: str, at: int, complete: bool) -> BinaryIO:
    """What `raw` holds from `at` on; closing it closes `raw`. Raises `Unreadable`, also while it is read, for damaged
    bytes, and for an end in their midst where they are complete; otherwise it ends there."""
    if codec == "none":
        raw.seek(at)
        return raw
    stream = cast(BinaryIO, io.BufferedReader(_Stream(raw, codec, complete), _CHUNK))
    while at > 0:
        passed = len(stream.read(min(at, _CHUNK)))
        if not passed:
            break
        at -= passed
    return stream


class _Stream(io.RawIOBase):
    def __init__(self, raw: BinaryIO, codec: str, complete: bool) -> None:
        self._raw, self._codec, self._complete = raw, codec, complete
        self._damage: tuple[type[Exception], ...] = (OSError, zlib.error)
        self._read: Callable[[int], bytes]
        if codec == "gzip":
            self._read = gzip.GzipFile(fileobj=raw, mode="rb").read1
        else:
            import zstandard

            self._read = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True).read
            self._damage = (OSError, zstandard.ZstdError)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self._read(len(view))
            if not data and self._codec == "zstd" and self._complete and not ends_whole(self._raw):
                raise EOFError
        except EOFError as error:
            if self._complete:
                raise Unreadable(f"its {self._codec} data is cut off") from error
            return 0
        except self._damage as error:
            raise Unreadable(f"its {self._codec} data is damaged: {error}") from error
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._raw.close()
        super().close()
