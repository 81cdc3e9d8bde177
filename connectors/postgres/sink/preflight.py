"""Before a rebuild: can the new generation be made and swapped in?"""

from __future__ import annotations

from collections.abc import Mapping

from headwater.worker.api import DataError, Finding, Record, Values

from .building import shapes
from .check import findings
from .connection import Connection
from .dependents import dependents_of, obstacles, sorted_findings
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
    try:
        wanted = shapes(values, schema, samples)
    except DataError as error:
        return [*found, Finding("error", "tables", str(error))]
    with connection.transaction():
        connection.execute("SET LOCAL search_path = pg_catalog")  # every name that the server gives is qualified
        for part, table in live.items():
            found += _table(connection, table, wanted.get(part))
        for part in wanted:
            if part not in live:
                found += _new_table(connection, values, part)
    return found


def _table(connection: Connection, table: TableState, wanted: Mapping[str, str] | None) -> list[Finding]:
    if not exists(connection, table):
        message = "somebody dropped or renamed the table: the rebuild makes it again"
        return [Finding("warning", table.part, message)]
    dependents = dependents_of(connection, table)
    columns = {c.name: c.sql for c in table.columns if c.name != table.version}
    blocking = list(obstacles(dependents, table.part, columns, wanted))
    found = sorted_findings(table.part, dependents, blocking)
    if wanted is None:
        message = "no sample leads to it: the new generation will not have it unless records for it come"
        return [*found, Finding("warning", table.part, message)]
    found += [
        Finding("ok", table.part, f"the {i.kind} {i.name} is made again") for i in secondary_of(connection, table)
    ]
    theirs = connection.execute(_USERS_COLUMNS, [table.qualified, [c.name for c in table.columns]]).fetchall()
    if theirs:
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


def _new_table(connection: Connection, values: Values, part: str) -> list[Finding]:
    schema, name = part.split(".", 1)
    if not is_there(connection, qualified(schema, name)):
        return [Finding("ok", part, "the swap makes this table visible")]
    there = has_state(connection, values["state.schema"])
    owner = owner_of(connection, values["state.schema"], schema, name) if there else None
    whose = "is not Headwater's" if owner is None else f"belongs to the view {owner[0]}"
    return [Finding("error", part, f"the table exists and {whose}", "drop or rename it, or set collection.name.format")]
