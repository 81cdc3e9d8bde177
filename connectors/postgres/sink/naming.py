"""Names: from a topic to its table, from a table to the name of one generation of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from headwater.worker.api import DataError

LONGEST: Final = 63
"""Bytes of an identifier: NAMEDATALEN - 1."""

_PLACEHOLDER: Final = re.compile(r"\$\{(topic|source\.[A-Za-z_]+)\}")


def table_name(
    pattern: str, topic: str, source: Mapping[str, Any] | None, fold: bool = False, dots: bool = False
) -> tuple[str, str]:
    """Schema (empty: the connection's own) and table that records of `topic` belong to.

    `${topic}` is the topic with dots as underscores, as in Debezium's JDBC sink. `${source.NAME}` comes from the
    event's `source` block; a record without one (flat, a tombstone) takes schema and table from the topic's last parts.
    `fold`: unquoted names, which PostgreSQL folds to lower case. `dots`: the topic keeps its dots, as with Debezium's
    PassthroughCollectionNamingStrategy. Raises `DataError`.
    """
    parts = topic.split(".")
    fallback = {"table": parts[-1], "schema": parts[-2] if len(parts) > 1 else "", "name": parts[0]}

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name == "topic":
            return topic if dots else topic.replace(".", "_")
        field = name.removeprefix("source.")
        text = str(source[field]) if source and source.get(field) is not None else fallback.get(field, "")
        if not text:
            raise DataError(f"{topic}: the record has no source.{field}, which collection.name.format asks for")
        return text.replace(".", "_")

    name = _PLACEHOLDER.sub(value, pattern)
    schema, _, table = name.rpartition(".")
    if "." in schema:
        raise DataError(
            f"{topic}: the name {name!r} has more than one dot, and a table's is schema.table: rename the topic with a "
            "RegexRouter, or set collection.name.format to ${source.schema}.${source.table}"
        )
    if fold:
        schema, table = schema.lower(), table.lower()
    for part in (schema, table):
        if len(part.encode()) > LONGEST:
            raise DataError(f"{topic}: the name {part!r} is longer than PostgreSQL's {LONGEST} bytes")
    if not table:
        raise DataError(f"{topic}: collection.name.format {pattern!r} gives no table name")
    return schema, table


def unknown_placeholders(pattern: str) -> list[str]:
    """`${…}` in a name format that stand for nothing."""
    return [found[0] for found in re.finditer(r"\$\{[^}]*\}?", pattern) if not _PLACEHOLDER.fullmatch(found[0])]


def generation_name(name: str, generation: int) -> str:
    """The name that `name` has while its generation is not the current one; at most 63 bytes."""
    return _with_suffix(name, f"__g{generation}")


def key_name(table: str) -> str:
    """The name of a public table's primary key; at most 63 bytes."""
    return _with_suffix(table, "_pkey")


def _with_suffix(name: str, suffix: str) -> str:
    """Names that are shortened for it stay apart."""
    if len((name + suffix).encode()) <= LONGEST:
        return name + suffix
    digest = "_" + hashlib.blake2b(name.encode(), digest_size=5).hexdigest()
    room = LONGEST - len(suffix) - len(digest)
    return name.encode()[:room].decode(errors="ignore") + digest + suffix


def public_name(name: str, generation: int) -> str:
    """`generation_name` undone, as far as the name was not shortened."""
    return name.removesuffix(f"__g{generation}")
