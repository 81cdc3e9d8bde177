"""Single values in Avro's binary form: one closure for each place in a schema, or a function.

Source: Avro specification 1.12, "Binary encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from headwater.worker.api import DataError, Type

__all__ = [
    "Write",
    "blocks",
    "boolean",
    "double",
    "enumeration",
    "fixed",
    "fractional",
    "long_bytes",
    "octets",
    "refusal",
    "text",
    "whole",
]

Write = Callable[[Any], bytes]

_FLOAT: Final = struct.Struct("<f").pack
double: Final = struct.Struct("<d").pack
_SMALL: Final = {number: bytes([number * 2 if number >= 0 else -number * 2 - 1]) for number in range(-64, 64)}
_WHOLE: Final = {Type.INT8: 7, Type.INT16: 15, Type.INT32: 31, Type.INT64: 63}


def long_bytes(number: int) -> bytes:
    """A whole number of up to 64 bits, zigzag, seven bits a byte."""
    if -64 <= number < 64:
        return _SMALL[number]
    number = number * 2 if number >= 0 else -number * 2 - 1
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def whole(type_: Type, path: str) -> Write:
    limit = 1 << _WHOLE[type_]

    def write(value: Any) -> bytes:
        if value.__class__ is not int:
            if not isinstance(value, int) or isinstance(value, bool):
                raise refusal(path, f"is a Python {type(value).__name__}, and its schema is {type_.name}")
            value = int(value)
        if -64 <= value < 64:
            return _SMALL[value]
        if not -limit <= value < limit:
            raise refusal(path, f"{value} is out of range for {type_.name}")
        return long_bytes(value)

    return write


def fractional(kind: str, path: str) -> Write:
    pack = _FLOAT if kind == "float" else double

    def write(value: Any) -> bytes:
        if value.__class__ is bool:
            raise refusal(path, f"is a Python bool, and Avro's schema says {kind}")
        try:
            return pack(value)
        except (struct.error, OverflowError) as error:
            raise refusal(path, f"cannot be written as Avro's {kind}: {error}") from error

    return write


def boolean(value: Any, path: str) -> bytes:
    if value is True:
        return b"\1"
    if value is False:
        return b"\0"
    raise refusal(path, f"is a Python {type(value).__name__}, and its schema is BOOLEAN")


def text(path: str) -> Write:
    def write(value: Any) -> bytes:
        try:
            data: bytes = value.encode()
        except AttributeError:
            raise refusal(path, f"is a Python {type(value).__name__}, and its schema is STRING") from None
        except UnicodeEncodeError as error:
            raise refusal(path, f"is text that cannot be written: {error.reason}") from error
        size = len(data)
        return (_SMALL[size] if size < 64 else long_bytes(size)) + data

    return write


def octets(path: str, as_text: bool) -> Write:
    def write(value: Any) -> bytes:
        data = _data(value, path)
        if as_text:
            try:
                data.decode()
            except UnicodeDecodeError as error:
                raise refusal(path, "is bytes that are no UTF-8, and Avro's schema is a string") from error
        return long_bytes(len(data)) + data

    return write


def fixed(value: Any, size: int, path: str) -> bytes:
    data = _data(value, path)
    if len(data) != size:
        raise refusal(path, f"has {len(data)} bytes, and Avro's schema says {size}")
    return data


def _data(value: Any, path: str) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise refusal(path, f"is a Python {type(value).__name__}, and its schema is BYTES")
    return bytes(value)


def enumeration(symbols: dict[str, bytes], path: str) -> Write:
    def write(value: Any) -> bytes:
        try:
            return symbols[value]
        except (KeyError, TypeError):
            raise refusal(path, f"{value!r} is none of the enum's symbols") from None

    return write


def blocks(items: list[bytes]) -> bytes:
    return b"%b%b\0" % (long_bytes(len(items)), b"".join(items)) if items else b"\0"


def refusal(path: str, message: str) -> DataError:
    return DataError(f"field {path}: {message}" if path else f"the value {message}")
