"""Tables that somebody else made: whether a view may write into them, and with which types."""

from __future__ import annotations

from dataclasses import replace

from headwater.worker.api import DataError, Values

from .connection import Connection
from .quoting import quoted
from .state import ColumnState, TableState

# types without their length: a cast to varchar(3) cuts silently, the assignment after a cast to varchar does not
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, -1), a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""
_UNIQUE = """
SELECT array_agg(a.attname::text ORDER BY a.attname) FROM pg_index i
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey::int2[])
WHERE i.indrelid = %s::regclass AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indexrelid, i.indnkeyatts HAVING count(*) = i.indnkeyatts
"""


def adopt(connection: Connection, values: Values, table: TableState) -> TableState:
    """`table` with the real types of the existing table of its name. Raises `DataError` where it cannot be used.

    It must be a table, have all columns, a unique index over the key, and no rows unless `adopt.tables` is set.
    """
    where = f"{table.schema}.{table.table}"
    _check_emptiness(connection, values, table, where)
    rows = connection.execute(_COLUMNS, [table.qualified]).fetchall()
    found = {row[0]: row[1] for row in rows}
    missing = [column for column in table.columns if column.name not in found]
    if missing and values["schema.evolution"] == "none":
        raise DataError(f"{where}: the column {missing[0].name} is missing, and schema.evolution is none: add it")
    needed = {row[0] for row in rows if row[2]} - {column.name for column in table.columns}
    if needed:
        raise DataError(f"{where}: the column {min(needed)} must have a value, and the records have none for it")
    keys = sorted(column.name for column in table.keys)
    if keys not in [row[0] for row in connection.execute(_UNIQUE, [table.qualified])]:
        raise DataError(f"{where}: it needs a primary key or unique constraint over ({', '.join(keys)})")
    for column in missing:
        connection.execute(f"ALTER TABLE {table.qualified} ADD COLUMN {quoted(column.name)} {column.sql}")
    return replace(table, columns=tuple(_real(column, found) for column in table.columns))


def _check_emptiness(connection: Connection, values: Values, table: TableState, where: str) -> None:
    row = connection.execute("SELECT relkind FROM pg_class WHERE oid = %s::regclass", [table.qualified]).fetchone()
    if row is None or row[0] not in ("r", "p"):
        raise DataError(f"{where} is not a table; set collection.name.format so that the view gets a name of its own")
    held = connection.execute(f"SELECT EXISTS (SELECT FROM {table.qualified})").fetchone()  # noqa: S608
    if held and held[0] and not values["adopt.tables"]:
        raise DataError(
            f"{where} holds rows that Headwater did not write; drop or rename it, set collection.name.format, or let "
            "the view take it over with adopt.tables: true"
        )


def _real(column: ColumnState, found: dict[str, str]) -> ColumnState:
    return column._replace(sql=found.get(column.name, column.sql))
