"""DecryptFields: what EncryptFields has encrypted, as long as the key of the person that it is about is there.

Headwater's own. docs/decisions/0023-encrypted-fields.md, guide: docs/privacy.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from headwater.connectors.debezium.placeholder import NO_PLACEHOLDER, UNAVAILABLE_VALUE, Placeholder
from headwater.worker.api import DataError, Option, Options, OptionType, Record, Schema, Transform, Type, Values

from .encrypt_fields import MARK
from .field_cipher import decrypted, is_encrypted, key_of
from .field_paths import Path, changed_schema, changed_value, leaves, paths
from .kept import Kept
from .subject_keys import KEY_OPTIONS, SubjectKeys

__all__ = ["DecryptFields"]

log = logging.getLogger(__name__)

_PLACEHOLDER: Final = Placeholder()


class DecryptFields(Transform):
    """Values that are not encrypted, of before the first use say, stay as they are."""

    options = Options(
        Option("fields", OptionType.LIST, [], "Fields to decrypt, with dots for those within others; empty: all that "
               "are encrypted.", importance="high"),
        Option("deleted.value", default=None, doc="What to write in place of a text whose key is deleted. Without it, "
               "and for other types: null."),
        *KEY_OPTIONS,
    )  # fmt: skip
    reveals = True
    doc = "Decrypt fields of the value; those of a person whose key is deleted become null or a text."

    def configure(self, values: Values) -> None:
        self._fields = paths(values["fields"])
        self._deleted: str | None = values["deleted.value"]
        self._keys = SubjectKeys(values)
        self._warned = False
        self._schemas: Kept[Schema, tuple[Schema, tuple[tuple[Path, Schema], ...]]] = Kept(self._of_schema)

    def apply(self, record: Record) -> Record:
        value, schema = record.value, record.value_schema
        if value is None:
            return record
        if not isinstance(value, dict):
            raise DataError(f"{record.where()}: DecryptFields needs a struct or a map")
        try:
            if schema is None:
                return record.replace(value=self._walked(value) if not self._fields else self._named(value))
            made, marked = self._schemas(schema)
            for path, field in marked:
                value = changed_value(value, path, self._read_as(field))
            return record.replace(value=value, value_schema=made)
        except DataError as error:
            raise DataError(f"{record.where()}: DecryptFields: {error}") from error

    def close(self) -> None:
        self._keys.close()

    def _of_schema(self, schema: Schema) -> tuple[Schema, tuple[tuple[Path, Schema], ...]]:
        """The schema as it was, and which fields are encrypted, with what they were."""
        if schema.type is not Type.STRUCT:
            raise DataError("the value is no struct")
        found = [path for path, field in leaves(schema) if MARK in field.parameters]
        wanted = [p for p in found if not self._fields or any(p[-len(named) :] == named for named in self._fields)]
        marked = []
        for path in wanted:
            made: list[Schema] = []

            def restored(field: Schema, made: list[Schema] = made) -> Schema:
                made.append(_restored(field))
                return made[0]

            schema = changed_schema(schema, path, restored)
            marked.append((path, made[0]))
        return schema, tuple(marked)

    def _named(self, value: dict[str, Any]) -> dict[str, Any]:
        for name in ("before", "after", None):
            row = value if name is None else value.get(name)
            if not isinstance(row, dict):
                continue
            for path in self._fields:
                row = changed_value(row, path, self._value)
            value = row if name is None else {**value, name: row}
        return value

    def _walked(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: self._walked(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._walked(item) for item in value]
        return self._value(value)

    def _read_as(self, field: Schema) -> Callable[[Any], Any]:
        """`field`: what it was. Only a text can hold `deleted.value`: JSON, a UUID, a time with a zone cannot."""
        if field.type is Type.STRING and field.name is None:
            return self._value
        unchanged = _PLACEHOLDER.of(field)

        def read(text: Any) -> Any:
            if text == UNAVAILABLE_VALUE and unchanged is not NO_PLACEHOLDER:
                return unchanged
            return self._value(text, False)

        return read

    def _value(self, text: Any, is_text: bool = True) -> Any:
        if not is_encrypted(text):
            return text
        key = self._keys.of_id(key_of(text))
        if key is not None:
            return decrypted(key, text)
        if not self._warned:
            self._warned = True
            log.info("keys of some values are deleted, or lie in another table; such values are left out")
        return self._deleted if is_text else None


def _restored(schema: Schema) -> Schema:
    """As it was, but optional: the key may be deleted."""
    try:
        said = orjson.loads(schema.parameters[MARK])
        parameters = said.get("parameters", {})
        return Schema(
            Type(said["type"]), True, name=said.get("name"), version=said.get("version"), doc=schema.doc,
            parameters=parameters,
        )  # fmt: skip
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"the schema of an encrypted field does not say what it was: {error}") from error
