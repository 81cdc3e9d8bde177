"""HashFields: a salted hash in place of texts, as `column.mask.hash.v2` of PostgresSource writes it.

Headwater's own: Kafka Connect has no such transform.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from headwater.connectors.debezium.placeholder import is_placeholder
from headwater.worker.api import (
    DataError,
    Option,
    Options,
    OptionType,
    Record,
    Schema,
    Transform,
    Type,
    Values,
    at_least,
)

from .field_paths import changed_record, changed_row_schema, changed_value, paths, some_fields
from .kept import Kept

_ALGORITHMS: Final = ("MD5", "SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512")
_HASHED: Final = frozenset({Type.STRING, Type.INT8, Type.INT16, Type.INT32, Type.INT64})


def _salt(value: str) -> str | None:
    return None if value else "must not be empty: hashes without a salt are found in tables"


class HashFields(Transform):
    """Texts and whole numbers; of a number its decimal digits. Nulls and the placeholder of an unchanged large value
    stay. Of change events the rows in `before` and `after`."""

    options = Options(
        Option("fields", OptionType.LIST, doc="Fields of the row; those within others as outer.inner.",
               validate=some_fields, importance="high"),
        Option("algorithm", default="SHA-256", choices=_ALGORITHMS, doc="The hash."),
        Option("salt", OptionType.PASSWORD, doc="Comes before the text. Keep it secret: with it, and a list of all "
               "phone numbers, say, hashes can be turned back.", validate=_salt, importance="high"),
        Option("length", OptionType.INT, None, "Cut the hash to so many of its hexadecimal digits.",
               validate=at_least(1)),
    )  # fmt: skip
    doc = "Write a salted hash in place of texts of the value."

    def configure(self, values: Values) -> None:
        self._fields = paths(values["fields"])
        name = values["algorithm"].replace("-", "").lower()
        self._begun = hashlib.new(name, values["salt"].encode(), usedforsecurity=False)
        self._length: int | None = values["length"]
        self._schemas: Kept[Schema, Schema] = Kept(lambda schema: changed_row_schema(schema, self._fields, _marked))

    def apply(self, record: Record) -> Record:
        return changed_record(record, "HashFields", self._fields, self._schemas, self._row)

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        for path in self._fields:
            row = changed_value(row, path, self._hashed)
        return row

    def _hashed(self, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise DataError(f"a {type(value).__name__} cannot be hashed, only texts and whole numbers")
        if is_placeholder(value):
            return str(value)
        digest = self._begun.copy()
        digest.update(str(value).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[: self._length]


def _marked(schema: Schema) -> Schema:
    if schema.type not in _HASHED:
        raise DataError(f"a field of type {schema.type.value} cannot be hashed, only texts and whole numbers")
    parameters = {**schema.parameters, "masked": "true"}
    return Schema(Type.STRING, schema.optional, doc=schema.doc, parameters=parameters)
