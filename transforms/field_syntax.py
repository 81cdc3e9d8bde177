"""Names of fields within fields: `field.syntax.version: V2`.

Source: org.apache.kafka.connect.transforms.field.{SingleFieldPath,FieldSyntaxVersion} (Kafka 4.3.1). A dot leads into a
struct or map; a name that has dots stands in backticks, and a backtick before a dot within it after a backslash.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from headwater.worker.api import NO_DEFAULT, DataError, Option, Schema, Type

FIELD_SYNTAX: Final = Option(
    "field.syntax.version",
    default="V1",
    doc="V1: the name of a field of the key or value itself. V2: dots lead to fields within fields; names that have "
    "dots stand in backticks.",
    choices=("V1", "V2"),
    importance="high",
)


class FieldPath(NamedTuple):
    steps: tuple[str, ...]

    def schema(self, schema: Schema) -> Schema | None:
        """Of the field, or None where there is none. Raises `DataError` for what cannot hold fields."""
        found: Schema | None = schema
        for step in self.steps:
            if found is None:
                return None
            if found.type is not Type.STRUCT:
                raise DataError(f"{step!r} is looked for in {found.type.name}, which has no fields")
            found = found.get(step)
        return found

    def value(self, value: Any) -> Any:
        """Of a map without a schema; null where there is none. Raises `DataError` where a step is no map."""
        for step in self.steps:
            if value is None:
                return None
            if not isinstance(value, dict):
                raise DataError(f"{step!r} is looked for in a {type(value).__name__}, which has no fields")
            value = value.get(step)
        return value

    def value_of(self, row: Any, schema: Schema, with_default: bool) -> Any:
        """Of a struct. On the way to the field defaults always stand for null, as in Java."""
        last = len(self.steps) - 1
        for index, step in enumerate(self.steps):
            if row is None:
                return None
            inner = schema.get(step)
            assert inner is not None
            row = row.get(step)
            if row is None and (index < last or with_default) and inner.default is not NO_DEFAULT:
                row = inner.default
            schema = inner
        return row


def parse_path(text: str, version: str) -> FieldPath:
    """Raises `ValueError` for a path without a field, and for a backtick without its pair."""
    if version == "V2" and not text:
        raise ValueError("names no field")
    return FieldPath((text,) if version == "V1" else tuple(_steps(text)))


def _steps(text: str) -> list[str]:
    steps = []
    at = 0
    while at < len(text):
        if text[at] != "`":
            step, dot, _ = text[at:].partition(".")
            at += len(step) + len(dot)
        else:
            step, at = _in_backticks(text, at)
        steps.append(step)
    return [*steps, ""] if text.endswith(".") else steps


def _in_backticks(text: str, opened: int) -> tuple[str, int]:
    """The name, and where the next one begins. A backtick ends it before a dot or at the end alone."""
    step = ""
    start = at = opened + 1
    while True:
        at = text.find("`", at)
        escaped = at > 0 and text[at - 1] == "\\"
        if at == -1 or (at == len(text) - 1 and escaped):
            raise ValueError(f"has a backtick without its pair at {opened}; write \\` for the character itself")
        if at < len(text) - 1 and text[at + 1] != ".":
            at += 1
        elif escaped:
            step += text[start : at - 1] + "`"
            start = at = at + 1
        else:
            return step + text[start:at], at + 2
