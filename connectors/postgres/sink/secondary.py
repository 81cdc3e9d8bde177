"""Indexes and constraints that users gave the live tables: copied to a new generation once it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import psycopg

from headwater.worker.api import Finding

from .connection import Connection, meant
from .naming import generation_name
from .quoting import quoted
from .state import TableState, exists

_OBJECTS: Final = """
SELECT c.relname::text, 'index', i.indisunique, substr(pg_get_indexdef(i.indexrelid),
    strpos(pg_get_indexdef(i.indexrelid), ' USING '))
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = %(table)s::regclass AND i.indisvalid
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x'))
UNION ALL
SELECT conname::text, 'constraint', contype IN ('u', 'x'), pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = %(table)s::regclass AND contype IN ('c', 'u', 'x') ORDER BY 2, 1
"""
_NOT_NULL: Final = """
SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attnotnull AND NOT attisdropped
"""


@dataclass(frozen=True, slots=True)
class Secondary:
    """`shared`: its name is one among all of the schema's, so a generation needs one of its own."""

    name: str
    kind: str
    shared: bool
    definition: str

    def named(self, generation: int) -> str:
        return generation_name(self.name, generation) if self.kind == "index" or self.shared else self.name

    def create(self, table: TableState, generation: int) -> str:
        name = quoted(self.named(generation))
        if self.kind == "constraint":
            return f"ALTER TABLE {table.qualified} ADD CONSTRAINT {name} {self.definition}"
        unique = "UNIQUE " if self.shared else ""
        return f"CREATE {unique}INDEX {name} ON {table.qualified} {self.definition}"


def secondary_of(connection: Connection, table: TableState) -> list[Secondary]:
    return [Secondary(*row) for row in connection.execute(_OBJECTS, {"table": table.qualified})]


def copy_secondary(connection: Connection, live: TableState, new: TableState, generation: int) -> None:
    """Make on `new` what `live` has and `new` has not; what cannot be made is left out, see `missing_secondary`."""
    there = {item.name for item in secondary_of(connection, new)}
    for item in secondary_of(connection, live):
        if item.named(generation) not in there:
            _attempt(connection, item.create(new, generation))
    for column in sorted(_not_null(connection, live) - _not_null(connection, new)):
        if column in new.names:
            _attempt(connection, f"ALTER TABLE {new.qualified} ALTER COLUMN {quoted(column)} SET NOT NULL")


def _attempt(connection: Connection, sql: str) -> psycopg.Error | None:
    """Run DDL that the data, or a column that is gone, may refuse. Other errors are raised."""
    try:
        with connection.transaction():
            connection.execute(sql)
    except (psycopg.errors.IntegrityError, psycopg.errors.UndefinedColumn, psycopg.errors.ProgrammingError) as error:
        if error.sqlstate is None or not error.sqlstate.startswith(("23", "42703", "42704", "42883", "42P17")):
            raise
        return error
    return None


def missing_secondary(
    connection: Connection, live: Mapping[str, TableState], new: Mapping[str, TableState], generation: int
) -> list[Finding]:
    """Indexes and constraints of the live tables that the new ones lack, with the reason."""
    found = []
    for part, table in live.items():
        other = new.get(part)
        if other is None or not exists(connection, table):
            continue
        there = {item.name for item in secondary_of(connection, other)}
        for item in secondary_of(connection, table):
            if item.named(generation) not in there:
                error = _dry_run(connection, item.create(other, generation))
                reason = str(meant(error, "making it")) if error else "it was made after the load"
                violated = error is not None and (error.sqlstate or "").startswith("23")
                fix = "drop it on the live table, or mend the data" if violated else ""
                message = f"the {item.kind} {item.name} is not carried over: {reason}"
                found.append(Finding("error" if violated else "warning", part, message, fix))
        for column in sorted(_not_null(connection, table) - _not_null(connection, other)):
            if column in other.names:
                message = f"column {column} is NOT NULL in the live table, and the new one has rows without a value"
                found.append(Finding("error", part, message, f"ALTER TABLE … ALTER {column} DROP NOT NULL"))
    return found


def _dry_run(connection: Connection, sql: str) -> psycopg.Error | None:
    found = None
    with connection.transaction(force_rollback=True):
        found = _attempt(connection, sql)
    return found


def _not_null(connection: Connection, table: TableState) -> set[str]:
    return {row[0] for row in connection.execute(_NOT_NULL, [table.qualified])}
