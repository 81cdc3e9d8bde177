"""Rows within a record's value, and fields within rows by dotted names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from headwater.connectors.debezium.placeholder import is_placeholder
from headwater.connectors.debezium.side_schemas import HEARTBEAT_VALUE_SCHEMA, TRANSACTION_VALUE_SCHEMA
from headwater.worker.api import DataError, Field, Record, Schema, Type

__all__ = [
    "Change",
    "Path",
    "a_field",
    "changed_record",
    "changed_row_schema",
    "changed_rows",
    "changed_schema",
    "changed_value",
    "found",
    "is_side_record",
    "leaves",
    "paths",
    "row_names",
    "some_fields",
]

Path = tuple[str, ...]
Change = Callable[[dict[str, Any]], dict[str, Any]]
"""Of a row."""

_SIDE: Final = frozenset({HEARTBEAT_VALUE_SCHEMA.name, TRANSACTION_VALUE_SCHEMA.name})


def row_names(value: Any, schema: Schema | None) -> tuple[str | None, ...]:
    """Where the rows of a value are: of a change event in `before` and `after`, else the value itself (None)."""
    names = set(value) if schema is None else {field.name for field in schema.fields}
    return ("before", "after") if {"before", "after", "op", "source"} <= names else (None,)


def is_side_record(schema: Schema | None) -> bool:
    """A source's own, of no table: a heartbeat, the beginning or end of a transaction. It holds nothing of a row."""
    return schema is not None and schema.name in _SIDE


def found(row: Any, path: Path) -> Any:
    """The value of a field; None where it, or what it is in, is missing or null."""
    for name in path:
        if not isinstance(row, dict):
            return None
        row = row.get(name)
    return row


def changed_value(row: dict[str, Any], path: Path, change: Callable[[Any], Any]) -> dict[str, Any]:
    """A copy in which the field, where it is there and not null, is changed."""
    name = path[0]
    value = row.get(name)
    if value is None:
        return row
    if len(path) == 1:
        return {**row, name: change(value)}
    return {**row, name: changed_value(value, path[1:], change)} if isinstance(value, dict) else row


def changed_schema(schema: Schema, path: Path, change: Callable[[Schema], Schema]) -> Schema:
    """Raises `DataError` where it has no such field."""
    name, rest = path[0], path[1:]
    inner = schema.get(name) if schema.type is Type.STRUCT else None
    if inner is None:
        raise DataError(
            f"{schema.name or 'the value'} has no field {name!r}. Where only some topics have it, name them "
            "with a predicate, TopicNameMatches"
        )
    made = changed_schema(inner, rest, change) if rest else change(inner)
    return schema.with_(fields=tuple(Field(f.name, made if f.name == name else f.schema) for f in schema.fields))


def changed_record(
    record: Record,
    transform: str,
    fields: Sequence[Path],
    schemas: Callable[[Schema], Schema],
    change: Change,
    change_old: Change | None = None,
) -> Record:
    """The record with the rows of its value, and its schema, changed; those without rows as they are.

    Raises `DataError` that names `transform`.
    """
    value, schema = record.value, record.value_schema
    if value is None or is_side_record(schema):
        return record
    if not isinstance(value, dict):
        raise DataError(f"{record.where()}: {transform} needs a struct or a map")
    try:
        made = None if schema is None else schemas(schema)
        return record.replace(value=changed_rows(value, schema, fields, change, change_old), value_schema=made)
    except DataError as error:
        raise DataError(f"{record.where()}: {transform}: {error}") from error


def changed_rows(
    value: dict[str, Any],
    schema: Schema | None,
    fields: Sequence[Path],
    change: Change,
    change_old: Change | None = None,
) -> dict[str, Any]:
    """The value with each of its rows changed. Raises `DataError` where rows have no schema and one has not the fields:
    of rows with one `changed_row_schema` finds that. `change_old`: for rows in `before`."""
    for name in row_names(value, schema):
        row = value if name is None else value.get(name)
        if not isinstance(row, dict):
            continue
        if schema is None:
            _check(row, fields)
        made = change_old(row) if name == "before" and change_old is not None else change(row)
        value = made if name is None else {**value, name: made}
    return value


def _check(row: dict[str, Any], fields: Sequence[Path]) -> None:
    """Raises `DataError` for a field that is not there; one that is null, or lies in what is null, is."""
    for path in fields:
        here: Any = row
        for place, name in enumerate(path):
            if here is None or is_placeholder(here):
                break
            if not isinstance(here, dict):
                raise DataError(f"the field {'.'.join(path[:place])} holds no fields, so there is no {'.'.join(path)}")
            if name not in here:
                raise DataError(
                    f"the row has no field {'.'.join(path[: place + 1])!r}. Where it may be absent, let it be null; "
                    "where only some topics have it, name them with a predicate, TopicNameMatches"
                )
            here = here[name]


def changed_row_schema(schema: Schema, fields: Sequence[Path], change: Callable[[Schema], Schema]) -> Schema:
    """The schema with these fields of each of its rows changed. Raises `DataError`."""
    if schema.type is not Type.STRUCT:
        raise DataError("the value is no struct")
    for name in row_names(None, schema):
        for path in fields:
            schema = changed_schema(schema, path if name is None else (name, *path), change)
    return schema


def leaves(schema: Schema, above: Path = ()) -> Iterator[tuple[Path, Schema]]:
    """Every field that is no struct."""
    for field in schema.fields:
        path = (*above, field.name)
        if field.schema.type is Type.STRUCT:
            yield from leaves(field.schema, path)
        else:
            yield path, field.schema


def paths(names: Sequence[str]) -> tuple[Path, ...]:
    return tuple(tuple(name.split(".")) for name in names)


def some_fields(value: list[str]) -> str | None:
    """Validates an option that names fields, each once, and none within another."""
    if not value:
        return "must name at least one field"
    if wrong := next((name for name in value if a_field(name)), None):
        return f"{wrong!r} {a_field(wrong)}"
    for path in (found := paths(value)):
        outer = [other for other in found if other == path[: len(other)]]
        if len(outer) > 1:
            return f"names {'.'.join(path)} twice, or what it lies in as well"
    return None


def a_field(name: str) -> str | None:
    """Validates an option that names one field."""
    return None if all(name.split(".")) else "is no name of a field, or of one within another as outer.inner"
