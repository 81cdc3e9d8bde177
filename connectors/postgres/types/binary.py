"""`bytea`, and types that nothing is known of.

Source: io.debezium.jdbc.JdbcValueConverters.convertBinary of Debezium 3.7.
"""

from __future__ import annotations

import base64
from binascii import unhexlify
from collections.abc import Callable
from typing import Any

from headwater.worker.api import Schema, Type, primitive

from .column_type import ColumnType
from .modes import ValueModes


def bytea(modes: ValueModes) -> ColumnType:
    """Needs `bytea_output=hex`."""
    if modes.binary == "hex":
        return ColumnType(primitive(Type.STRING), lambda text: unhexlify(text[2:]).hex())
    if modes.binary == "bytes":
        return ColumnType(primitive(Type.BYTES), lambda text: unhexlify(text[2:]))
    encode = _BASE64[modes.binary]
    return ColumnType(primitive(Type.STRING), lambda text: encode(unhexlify(text[2:])).decode())


def unknown(modes: ValueModes) -> ColumnType:
    """The server's text, as bytes: what `include.unknown.datatypes` asks for."""
    schema: Schema = primitive(Type.BYTES if modes.binary == "bytes" else Type.STRING)
    if modes.binary == "bytes":
        return ColumnType(schema, bytes)
    if modes.binary == "hex":
        return ColumnType(schema, bytes.hex)
    encode = _BASE64[modes.binary]
    return ColumnType(schema, lambda text: encode(text).decode())


_BASE64: dict[str, Callable[[bytes], Any]] = {
    "base64": base64.b64encode,
    "base64-url-safe": base64.urlsafe_b64encode,
}
