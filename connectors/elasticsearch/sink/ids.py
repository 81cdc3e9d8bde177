"""The id of a key's document."""

from __future__ import annotations

import base64
import hashlib
from decimal import Decimal
from typing import Any, Final

from headwater.worker.api import DataError, Record, Schema, Type

from .kinds import KEYWORD, Kind, Rules, digits_of

LONGEST: Final = 512
"""Bytes of an id."""
_NULL: Final = "\\N"
_EMPTY: Final = "\\E"
"""Elasticsearch knows no empty id."""


class Ids:
    """A key that is one value, or a struct of one, is that value's text: `5`. More values are joined by |: `5|eu`.

    Values may contain a | or \\: they are then written with a \\ before them. Different keys have different ids.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._kinds: dict[Schema, list[tuple[str, Kind]]] = {}

    def of(self, record: Record) -> str:
        """Raises `DataError` for a key that names no document."""
        key, schema = record.key, record.key_schema
        if key is None:
            raise DataError(
                f"{record.where()}: the record has no key to name its document; set key.ignore: true for a document "
                "for each record, or let the source give the topic a key"
            )
        try:
            if schema is not None and schema.type is Type.STRUCT:
                texts = [_text(key.get(name), kind) for name, kind in self._fields(schema)]
            elif schema is None and isinstance(key, dict):
                texts = [_text(value, None) for value in key.values()]
            else:
                texts = [_text(key, None if schema is None else self._rules.kind_of(schema, KEYWORD))]
        except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
            raise DataError(f"{record.where()}: the key cannot be a document's id: {error}") from error
        if not texts:
            raise DataError(f"{record.where()}: the key has no fields to name its document")
        return shortened("|".join(texts))

    def _fields(self, schema: Schema) -> list[tuple[str, Kind]]:
        found = self._kinds.get(schema)
        if found is None:
            found = [(field.name, self._rules.kind_of(field.schema, KEYWORD)) for field in schema.fields]
            self._kinds[schema] = found
        return found


def coordinates(record: Record) -> str:
    """The id of a record's own document: topic, partition and offset, as in Confluent's sink."""
    return shortened(f"{record.origin or record.topic}+{record.partition}+{record.offset}")


def shortened(text: str) -> str:
    """Long ones end with a digest."""
    data = text.encode()
    if len(data) <= LONGEST:
        return text or _EMPTY
    digest = hashlib.blake2b(data, digest_size=20).hexdigest()
    return data[: LONGEST - len(digest) - 1].decode(errors="ignore") + "~" + digest


def _text(value: Any, kind: Kind | None) -> str:
    if value is None:
        return _NULL
    found = value if kind is None else kind.read(value)
    if isinstance(found, str):
        return found.replace("\\", "\\\\").replace("|", "\\|") if "\\" in found or "|" in found else found or _EMPTY
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int | float):
        return str(found)
    if isinstance(found, Decimal):
        return digits_of(found)
    if isinstance(found, bytes):
        return base64.b64encode(found).decode()
    raise TypeError(f"a {type(found).__name__} has no text")
