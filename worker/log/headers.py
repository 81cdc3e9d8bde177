"""A record's headers as one blob in the embedded log.

Per header: name length (u32, big endian), name (UTF-8), value length (i32, -1 = null), value. Several headers of one
name are allowed and keep their order, as in Kafka. No headers: NULL instead of a blob.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from .contract import Headers, LogError

_LENGTH: Final = Struct(">i")
_CACHE_LIMIT: Final = 1024

_blobs: dict[tuple[tuple[str, bytes | None], ...], bytes] = {}
_tuples: dict[bytes, tuple[tuple[str, bytes | None], ...]] = {}
"""All rows of one transaction carry the same version header: both ways are remembered."""


def pack_headers(headers: Headers) -> bytes | None:
    if not headers:
        return None
    key = tuple((name, value) for name, value in headers)
    blob = _blobs.get(key)
    if blob is None:
        parts: list[bytes] = []
        for name, value in key:
            encoded = name.encode()
            parts += (_LENGTH.pack(len(encoded)), encoded)
            parts += (_LENGTH.pack(-1),) if value is None else (_LENGTH.pack(len(value)), value)
        blob = b"".join(parts)
        if len(_blobs) >= _CACHE_LIMIT:
            _blobs.clear()
        if len(blob) < _CACHE_LIMIT:
            _blobs[key] = blob
    return blob


def unpack_headers(blob: bytes | None) -> tuple[tuple[str, bytes | None], ...]:
    """Raises `LogError` for bytes that `pack_headers` did not make."""
    if not blob:
        return ()
    known = _tuples.get(blob)
    if known is not None:
        return known
    headers: list[tuple[str, bytes | None]] = []
    at = 0
    while at < len(blob):
        name, at = _field(blob, at)
        value, at = _field(blob, at)
        if name is None:
            raise LogError("a header in the embedded log has no name: the file is damaged")
        headers.append((name.decode(), value))
    if len(_tuples) >= _CACHE_LIMIT:
        _tuples.clear()
    result = tuple(headers)
    if len(blob) < _CACHE_LIMIT:
        _tuples[blob] = result
    return result


def _field(blob: bytes, at: int) -> tuple[bytes | None, int]:
    if at + 4 > len(blob):
        raise LogError("a header in the embedded log is cut short: the file is damaged")
    (length,) = _LENGTH.unpack_from(blob, at)
    at += 4
    if length == -1:
        return None, at
    if length < 0 or at + length > len(blob):
        raise LogError("a header in the embedded log has an impossible length: the file is damaged")
    return blob[at : at + length], at + length
