"""What stands in an event for a large (TOASTed) value that an update left unchanged: the server does not send it.

Source: io.debezium.connector.postgresql.{UnchangedToastedPlaceholder,UnchangedToastedReplicationMessageColumn} and
io.debezium.processors.reselect.ReselectColumnsPostProcessor of Debezium 3.7.0.Final.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any, Final

from headwater.worker.api import Schema, Type

from .names import UUID

UNAVAILABLE_VALUE: Final = "__debezium_unavailable_value"

NO_PLACEHOLDER: Final = object()
"""`Placeholder.of` for a schema whose values are all real ones, e.g. a list of floats."""


class Placeholder:
    """The placeholder in each of its shapes; `text` is the option `unavailable.value.placeholder`."""

    def __init__(self, text: str = UNAVAILABLE_VALUE) -> None:
        self.text = text
        self.bytes = text.encode()
        # Java's UUID.nameUUIDFromBytes: an MD5 without a name space, marked as version 3
        self.uuid = str(uuid.UUID(bytes=hashlib.md5(self.bytes, usedforsecurity=False).digest(), version=3))
        self._numbers = list(self.bytes)
        self._map = {text: text}
        self._json = f'{{"{text}":"{text}"}}'
        self._lists = ([text], [self.bytes], [self.uuid], self._numbers)

    def of(self, schema: Schema) -> Any:
        """The placeholder as a value of `schema`, or `NO_PLACEHOLDER`."""
        if schema.type is Type.STRING:
            return self.text
        if schema.type is Type.BYTES and schema.name is None:
            return self.bytes
        if schema.type is Type.MAP:
            return dict(self._map)
        if schema.type is Type.ARRAY and schema.value_schema is not None:
            item = schema.value_schema
            if item.type is Type.STRING:
                return [self.uuid] if item.name == UUID else [self.text]
            if item.type is Type.BYTES and item.name is None:
                return [self.bytes]
            if item.type in (Type.INT32, Type.INT64):
                return list(self._numbers)
        return NO_PLACEHOLDER

    def matches(self, value: Any) -> bool:
        """Is this the placeholder, in any of its shapes (also that of hstore as JSON)?"""
        kind = type(value)
        if kind is str:
            return bool(value == self.text or value == self._json)
        if kind is bytes:
            return bool(value == self.bytes)
        if kind is list:
            return value in self._lists
        return kind is dict and bool(value == self._map)


_DEFAULT: Final = Placeholder()


def is_placeholder(value: Any) -> bool:
    """`Placeholder.matches` for the default text."""
    return _DEFAULT.matches(value)
