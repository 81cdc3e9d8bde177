"""EncryptFields: fields encrypted with a key of the person that the row is about; deleting the key deletes them.

Headwater's own. Decision and threats: docs/decisions/0023-encrypted-fields.md; guide: docs/privacy.md.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from headwater.connectors.debezium.placeholder import UNAVAILABLE_VALUE, is_placeholder
from headwater.worker.api import DataError, Option, Options, OptionType, Record, Schema, Transform, Type, Values

from .field_cipher import encrypted
from .field_paths import (
    Path,
    a_field,
    changed_record,
    changed_row_schema,
    changed_value,
    found,
    paths,
    some_fields,
)
from .kept import Kept
from .subject_keys import KEY_OPTIONS, SubjectKey, SubjectKeys

__all__ = ["MARK", "EncryptFields"]

MARK: Final = "headwater.encrypted"
"""Parameter of an encrypted field's schema: the one that it had, as JSON."""
_NOT: Final = frozenset({Type.STRUCT, Type.ARRAY, Type.MAP})


class EncryptFields(Transform):
    """Of change events the rows in `before` and `after`, of other values the value itself. Nulls stay null, and so does
    the placeholder of an unchanged large value."""

    options = Options(
        Option("fields", OptionType.LIST, doc="Fields of the row to encrypt; those within others as outer.inner.",
               validate=some_fields, importance="high"),
        Option("subject", doc="The field that names the person whom the row is about, a customer number say. It is "
               "not encrypted.", validate=a_field, importance="high"),
        *KEY_OPTIONS,
    )  # fmt: skip
    doc = "Encrypt fields of the value with a key of the person that the row is about; deleting the key deletes them."

    def configure(self, values: Values) -> None:
        self._fields = paths(values["fields"])
        (self._subject,) = paths([values["subject"]])
        self._keys = SubjectKeys(values)
        self._schemas: Kept[Schema, Schema] = Kept(self._changed)

    def rehearse(self) -> None:
        self._keys.rehearse()

    def apply(self, record: Record) -> Record:
        return changed_record(record, "EncryptFields", self._fields, self._schemas, self._row, self._old_row)

    def close(self) -> None:
        self._keys.close()

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        wanted = [path for path in self._fields if found(row, path) is not None]
        if all(is_placeholder(found(row, path)) for path in wanted):
            # without a key: a row may hold nothing of the person but what has not changed
            return self._with(row, wanted, None)
        subject = found(row, self._subject)
        if subject is None or isinstance(subject, dict | list):
            raise DataError(f"the row has no {'.'.join(self._subject)}, which is to say whose key to take")
        key = self._keys.of_subject(subject if isinstance(subject, str) else str(subject))
        return self._with(row, wanted, key)

    def _old_row(self, row: dict[str, Any]) -> dict[str, Any]:
        """A server that sends no more than the key of it leaves the others empty, and so the subject."""
        if found(row, self._subject) is None:
            return self._with(row, [path for path in self._fields if found(row, path) is not None], None)
        return self._row(row)

    def _with(self, row: dict[str, Any], wanted: list[Path], key: SubjectKey | None) -> dict[str, Any]:
        def hidden(value: Any) -> str | None:
            """Also what looks encrypted: whoever wrote it into the row must not have it decrypted for him."""
            if is_placeholder(value):
                return UNAVAILABLE_VALUE  # that of bytes as well: the field is a text from now on
            return None if key is None else encrypted(key, value)

        for path in wanted:
            row = changed_value(row, path, hidden)
        return row

    def _changed(self, schema: Schema) -> Schema:
        return changed_row_schema(schema, self._fields, _marked)


def _marked(schema: Schema) -> Schema:
    """Optional: of a person who is forgotten there is nothing to encrypt with."""
    if schema.type in _NOT:
        raise DataError(f"a field of type {schema.type.value} cannot be encrypted: name the fields in it")
    if MARK in schema.parameters:
        raise DataError("the field is encrypted already")
    said: dict[str, Any] = {"type": schema.type.value}
    if schema.name is not None:
        said["name"] = schema.name
    if schema.version is not None:
        said["version"] = schema.version
    if schema.parameters:
        said["parameters"] = dict(schema.parameters)
    return Schema(Type.STRING, True, doc=schema.doc, parameters={MARK: orjson.dumps(said).decode()})
