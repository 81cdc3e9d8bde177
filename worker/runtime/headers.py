"""Record headers on their way to and from the log.

Without a header converter they are written as Kafka Connect's SimpleHeaderConverter does, and stay the bytes that they
are on the log when they are read, so that passing them on changes nothing.
"""

from __future__ import annotations

from headwater.worker.api import VERSION_HEADER, Converter, DataError, Header
from headwater.worker.api.java.values import text_of

__all__ = ["HeaderDecoder", "HeaderEncoder"]


class HeaderEncoder:
    """Headers of a record -> headers of a message."""

    def __init__(self, converter: Converter | None) -> None:
        self._converter = converter

    def encode(self, topic: str, headers: tuple[Header, ...]) -> list[tuple[str, bytes | None]]:
        """Raises `DataError`."""
        return [(h.name, self._bytes(topic, h)) for h in headers if h.name != VERSION_HEADER]

    def _bytes(self, topic: str, header: Header) -> bytes | None:
        value = header.value
        if value is None or (header.schema is None and isinstance(value, bytes)):
            return value
        if self._converter is not None:
            return self._converter.encoder(topic, header.schema)(value)
        return text_of(value, header.schema).encode()


class HeaderDecoder:
    """Headers of a message -> version and headers of a record."""

    def __init__(self, converter: Converter | None) -> None:
        self._converter = converter
        self._last_headers: object = None
        self._last_version: int | None = None

    def decode(
        self, topic: str, headers: list[tuple[str, bytes | None]] | tuple[tuple[str, bytes | None], ...]
    ) -> tuple[int | None, tuple[Header, ...]]:
        """Raises `DataError` for a version header that holds no number."""
        if headers == self._last_headers:  # all rows of a transaction carry the same version, and mostly nothing else
            return self._last_version, ()
        version: int | None = None
        found: list[Header] = []
        for name, value in headers:
            if name == VERSION_HEADER:
                version = _version(value)
            elif self._converter is None or value is None:
                found.append(Header(name, value))
            else:
                schema, decoded = self._converter.decode(topic, value)
                found.append(Header(name, decoded, schema))
        if not found:
            self._last_headers, self._last_version = headers, version
        return version, tuple(found)


def _version(value: bytes | None) -> int:
    if value is None or not value.isdigit() or len(value) > 19:
        raise DataError(f"header {VERSION_HEADER} holds {value!r}, not a decimal number; Headwater alone may write it")
    return int(value)
