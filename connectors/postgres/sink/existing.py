"""Tables that somebody else made: whether a view may write into them, and with which types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from headwater.worker.api import DataError, Fatal, Finding, Values

from .connection import Connection
from .meanings import changes_only, changes_tables, deletes_rows, folds_names, keeps_dots, why_not
from .naming import table_name
from .quoting import qualified, quoted
from .state import ColumnState, TableState, has_state, is_there, owner_of

# types without their length: a cast to varchar(3) cuts silently, the assignment after a cast to varchar does not
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, -1), a.attnotnull AND NOT a.atthasdef AND a.attidentity = '',
  format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""
_UNIQUE = """
SELECT array_agg(a.attname::text ORDER BY a.attname) FROM pg_index i
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey::int2[])
WHERE i.indrelid = %s::regclass AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indexrelid, i.indnkeyatts HAVING count(*) = i.indnkeyatts
"""
# from the catalog, which may be read without any right on the table or its schema
_LOOK = """
SELECT c.relkind, pg_get_userbyid(c.relowner)::text, pg_has_role(c.relowner, 'USAGE'),
  has_schema_privilege(n.oid, 'USAGE') AND NOT EXISTS (
    SELECT FROM unnest(%s::text[]) AS needed(privilege) WHERE NOT has_table_privilege(c.oid, privilege))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s
"""
OWN_NAME = "set collection.name.format so that the view gets a table of its own"


def findings_for(connection: Connection, values: Values, view: str, names: Iterable[tuple[str, str]]) -> list[Finding]:
    """For `check`: what there is already under the names (schema, table) that the view's tables are to have."""
    found = []
    for schema, name in sorted(set(names)):
        owner = owner_of(connection, values["state.schema"], schema, name) if _known(connection, values) else None
        if owner is not None:
            if owner[0] != view:
                message = f"the table exists and belongs to the view {owner[0]}"
                found.append(Finding("error", f"{schema}.{name}", message, OWN_NAME))
            continue
        obstacle = obstacle_of(connection, values, schema, name)
        if obstacle is not None:
            found.append(Finding("error", f"{schema}.{name}", *obstacle))
    return found


def privileges(values: Values) -> list[str]:
    """What the view's user needs of a table."""
    deletes = deletes_rows(values) or values["truncate.enabled"] or not changes_only(values)
    return ["SELECT", "UPDATE", *(["DELETE"] if deletes else []), *([] if changes_only(values) else ["INSERT"])]


def obstacle_of(connection: Connection, values: Values, schema: str, name: str) -> tuple[str, str] | None:
    """Why the view may not write into a table that Headwater did not make, and the way out; None: it may."""
    row = connection.execute(_LOOK, [privileges(values), schema, name]).fetchone()
    if row is None:
        return None
    relkind, owner, _, writable = row
    if relkind not in ("r", "p"):
        return "exists, is not a table and is not Headwater's", OWN_NAME
    whose = "the table exists and is not Headwater's"
    if not writable:
        return f"{whose}: it belongs to {owner}, and the view's user may not write into it", OWN_NAME
    if values["adopt.tables"]:
        return None
    held = connection.execute(f"SELECT EXISTS (SELECT FROM {quoted(schema)}.{quoted(name)})").fetchone()  # noqa: S608
    if not (held and held[0]):
        return None
    message = f"{whose}: it holds rows that Headwater did not write"
    return message, f"{OWN_NAME}, or let the view take it over with adopt.tables: true"


def check_tables_exist(connection: Connection, values: Values, default_schema: str, topics: Iterable[str]) -> None:
    """schema.evolution: validate-only. Raises `Fatal` for a topic whose table is missing; names that only a record
    can tell are looked at when their first one comes."""
    for topic in sorted(topics):
        pattern = values["collection.name.format"]
        try:
            schema, name = table_name(pattern, topic, None, folds_names(values), keeps_dots(values))
        except DataError:
            continue
        if not is_there(connection, qualified(schema or default_schema, name)):
            raise Fatal(
                f"{topic}: the table {schema or default_schema}.{name} is missing, and schema.evolution is "
                "validate-only: create it, or set schema.evolution: basic"
            )


def real_types(connection: Connection, table: TableState, lengths: bool = False) -> dict[str, str]:
    """The type of each column that the table has; with `lengths` as `numeric(10,2)`, else as `numeric`."""
    return {row[0]: row[3 if lengths else 1] for row in connection.execute(_COLUMNS, [table.qualified])}


def adopt(connection: Connection, values: Values, table: TableState) -> TableState:
    """`table` with the real types of the existing table of its name. Raises `Fatal` where it cannot be used.

    It must be a table, have all columns, a unique index over the key, and no rows unless `adopt.tables` is set. Not
    `DataError`: no record is to blame, and to tolerate it would skip the whole topic.
    """
    where = f"{table.schema}.{table.table}"
    obstacle = obstacle_of(connection, values, table.schema, table.table)
    if obstacle is not None:
        raise Fatal(f"{where}: {obstacle[0]}; {obstacle[1]}")
    rows = connection.execute(_COLUMNS, [table.qualified]).fetchall()
    found = {row[0]: row[1] for row in rows}
    missing = [column for column in table.columns if column.name not in found]
    if missing:
        _check_may_add(connection, values, table, where, missing[0].name)
    needed = {row[0] for row in rows if row[2]} - {column.name for column in table.columns}
    if needed and not changes_only(values):
        raise Fatal(
            f"{where} exists and is not Headwater's: its column {min(needed)} must have a value, and the records have "
            f"none for it; {OWN_NAME}"
        )
    keys = sorted(column.name for column in table.keys)
    if keys not in [row[0] for row in connection.execute(_UNIQUE, [table.qualified])]:
        raise Fatal(
            f"{where} exists and is not Headwater's: it needs a primary key or unique constraint over "
            f"({', '.join(keys)}); {OWN_NAME}"
        )
    for column in missing:
        connection.execute(f"ALTER TABLE {table.qualified} ADD COLUMN {quoted(column.name)} {column.sql}")
    return replace(table, columns=tuple(_real(column, found) for column in table.columns))


def _check_may_add(connection: Connection, values: Values, table: TableState, where: str, column: str) -> None:
    if not changes_tables(values):
        why = why_not(values, "auto.evolve")
        raise Fatal(f"{where}: the column {column} is missing, and {why}: add it, or {OWN_NAME}")
    row = connection.execute(_LOOK, [privileges(values), table.schema, table.table]).fetchone()
    if row is not None and not row[2]:
        raise Fatal(
            f"{where} exists and is not Headwater's: it lacks the column {column}, and it belongs to {row[1]}, who "
            f"alone may add it; {OWN_NAME}"
        )


def _known(connection: Connection, values: Values) -> bool:
    """May Headwater's own tables be asked? Where not, `check` says so by itself."""
    if not has_state(connection, values["state.schema"]):
        return False
    row = connection.execute(
        "SELECT has_table_privilege(to_regclass(%s), 'SELECT')", [f"{quoted(values['state.schema'])}.tables"]
    ).fetchone()
    return bool(row and row[0])


def _real(column: ColumnState, found: dict[str, str]) -> ColumnState:
    return column._replace(sql=found.get(column.name, column.sql))
