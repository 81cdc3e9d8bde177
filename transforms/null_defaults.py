"""`replace.null.with.default`: the default of a field's schema where a row holds null."""

from __future__ import annotations

from typing import Any, Final

from headwater.worker.api import NO_DEFAULT, Option, OptionType, Schema

REPLACE_NULL: Final = Option(
    "replace.null.with.default", OptionType.BOOLEAN, True, "Put the default where a field is null."
)


def defaults_of(schema: Schema, wanted: bool) -> dict[str, Any]:
    """By the names of the struct's fields; of those that have one, and none where they are not wanted."""
    if not wanted:
        return {}
    defaults = {field.name: field.schema.default for field in schema.fields}
    return {name: value for name, value in defaults.items() if value is not NO_DEFAULT and value is not None}


def filled(row: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The same row where nothing has to be replaced."""
    if not defaults:
        return row
    missing = [name for name in defaults if row.get(name) is None]
    return row | {name: defaults[name] for name in missing} if missing else row
