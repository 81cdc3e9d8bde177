"""Record headers on their way to and from the log.

The default is Kafka Connect's SimpleHeaderConverter towards the log; read from the log, headers stay the bytes that
they are there, so that passing them on changes nothing.
"""

from __future__ import annotations

from typing import Any

import orjson

from headwater.worker.api import VERSION_HEADER, Converter, DataError, Header

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
        return _text(header.name, value).encode()


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


def _text(name: str, value: Any) -> str:
    """As org.apache.kafka.connect.data.Values.convertToString."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        try:
            return orjson.dumps(value, default=str).decode()
        except TypeError as error:
            raise DataError(f"header {name} cannot be written as JSON: {error}") from error
    return str(value)
