"""Before a rebuild: can the new generation be made and swapped in?"""

from __future__ import annotations

from collections.abc import Mapping

from headwater.worker.api import DataError, Finding, Record, Values

from .building import shapes
from .check import findings
from .connection import Connection
from .dependents import dependents_of, obstacles, sorted_findings
from .existing import real_types
from .meanings import BY_COORDINATES, changes_tables, creates_tables, why_not
from .quoting import qualified
from .secondary import secondary_of
from .state import TableState, exists, has_state, is_there, owner_of

_USERS_COLUMNS = """
SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
AND attname <> ALL(%s) ORDER BY 1
"""


def preflight(
    connection: Connection, values: Values, live: Mapping[str, TableState], samples: Mapping[str, Record], schema: str
) -> list[Finding]:
    """`live`: the tables that readers see. `schema`: for names without one."""
    found = [finding for finding in findings(values, tables=False) if finding.level != "ok"]
    found += _keys_apart(values)
    try:
        wanted = shapes(values, schema, samples)
    except DataError as error:
        return [*found, Finding("error", "tables", str(error))]
    with connection.transaction():
        connection.execute("SET LOCAL search_path = pg_catalog")  # every name that the server gives is qualified
        for part, table in live.items():
            found += _table(connection, table, wanted.get(part), creates_tables(values))
            found += _shape(connection, values, table, wanted.get(part))
        for part in wanted:
            if part not in live:
                found += _new_table(connection, values, part)
    return found


def _table(connection: Connection, table: TableState, wanted: Mapping[str, str] | None, makes: bool) -> list[Finding]:
    """`makes`: the new table gets the columns that the records need, and no others; else it is like the live one."""
    if not exists(connection, table):
        message = "somebody dropped or renamed the table: the rebuild makes it again"
        return [Finding("warning", table.part, message)]
    dependents = dependents_of(connection, table)
    columns = {c.name: c.sql for c in table.columns if c.name != table.version}
    if not makes:
        columns = real_types(connection, table, lengths=True)
    blocking = list(obstacles(dependents, table.part, columns, wanted if makes or wanted is None else columns))
    found = sorted_findings(table.part, dependents, blocking)
    if wanted is None:
        message = "no sample leads to it: the new generation will not have it unless records for it come"
        return [*found, Finding("warning", table.part, message)]
    found += [
        Finding("ok", table.part, f"the {i.kind} {i.name} is made again") for i in secondary_of(connection, table)
    ]
    theirs = connection.execute(_USERS_COLUMNS, [table.qualified, [c.name for c in table.columns]]).fetchall()
    if theirs and makes:
        names = ", ".join(name for (name,) in theirs)
        found.append(
            Finding("warning", table.part, f"columns that Headwater did not make are not carried over: {names}")
        )
    size = connection.execute(
        "SELECT reltuples::bigint, pg_size_pretty(pg_total_relation_size(oid)) FROM pg_class WHERE oid = %s::regclass",
        [table.qualified],
    ).fetchone()
    if size is not None:
        rows = "" if size[0] < 0 else f"about {size[0]} rows, "
        found.append(Finding("ok", table.part, f"{rows}{size[1]} now; the new table takes about as much beside it"))
    return found


def _keys_apart(values: Values) -> list[Finding]:
    """Rows whose key is not the record's may outlive the record that made them."""
    mode: str = values["primary.key.mode"]
    if mode == "record_key" or mode in BY_COORDINATES:
        return []
    message = (
        f"{mode}: the row's key is not the record's. Where a record's key got another row key, the live view keeps the "
        "old row, and a topic that was compacted since cannot tell of it: the rebuilt view lacks such rows"
    )
    return [Finding("warning", "primary.key.mode", message, "use record_key, or topics that are not compacted")]


def _shape(
    connection: Connection, values: Values, table: TableState, wanted: Mapping[str, str] | None
) -> list[Finding]:
    """Where Headwater decides no shapes, the new table is made as the live one is: is that enough?"""
    if wanted is None or not exists(connection, table):
        return []
    there = {name for (name,) in connection.execute(_USERS_COLUMNS, [table.qualified, []])}
    missing = sorted(set(wanted) - there)
    if creates_tables(values) or changes_tables(values) or not missing:
        return []
    message = f"the new config needs the column {missing[0]}, and {why_not(values, 'auto.evolve')}"
    return [Finding("error", table.part, message, f"ALTER TABLE … ADD COLUMN {missing[0]} {wanted[missing[0]]}")]


def _new_table(connection: Connection, values: Values, part: str) -> list[Finding]:
    if not creates_tables(values):
        message = f"the view has no such table yet, and {why_not(values, 'auto.create')}"
        return [Finding("error", part, message, "let Headwater make it: schema.evolution: basic, or auto.create: true")]
    schema, name = part.split(".", 1)
    if not is_there(connection, qualified(schema, name)):
        return [Finding("ok", part, "the swap makes this table visible")]
    there = has_state(connection, values["state.schema"])
    owner = owner_of(connection, values["state.schema"], schema, name) if there else None
    whose = "is not Headwater's" if owner is None else f"belongs to the view {owner[0]}"
    return [Finding("error", part, f"the table exists and {whose}", "drop or rename it, or set collection.name.format")]
