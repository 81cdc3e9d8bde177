"""Independent comparison: the databases compute the checksums themselves, over the same text of the same columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import psycopg
from psycopg import sql


class Sum(NamedTuple):
    rows: int
    checksum: str

    def __str__(self) -> str:
        return f"{self.rows:,} rows, {self.checksum}"


def columns(connection: psycopg.Connection[tuple[object, ...]], table: str) -> list[str]:
    found = connection.execute(
        """SELECT column_name FROM information_schema.columns
           WHERE table_schema = 'public' AND table_name = %s ORDER BY 1""",
        [table],
    )
    return [str(name) for (name,) in found]


def count(connection: psycopg.Connection[tuple[object, ...]], table: str) -> int:
    (rows,) = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone() or (0,)
    return int(rows)  # type: ignore[call-overload,no-any-return]


def checksum(
    connection: psycopg.Connection[tuple[object, ...]], table: str, columns: Sequence[str], schema: str = "public"
) -> Sum:
    """Count and order-independent checksum of these columns of a table."""
    connection.execute("SET timezone = 'UTC'")
    texts = sql.SQL(", '|', ").join(
        sql.SQL("coalesce({}::text, '<null>')").format(sql.Identifier(column)) for column in columns
    )
    query = sql.SQL(
        "SELECT count(*), coalesce(sum(('x' || left(md5(concat({})), 15))::bit(60)::bigint), 0)::numeric % 1e15 FROM {}"
    ).format(texts, sql.Identifier(schema, table))
    rows, total = connection.execute(query).fetchone() or (0, 0)
    return Sum(int(rows), f"{int(total):015d}")  # type: ignore[call-overload]


def checksums(
    dsn: str, wanted: Mapping[str, Sequence[str]], physical: Mapping[str, str] | None = None
) -> dict[str, Sum]:
    """`wanted`: columns by table; `physical`: the name a table has here where it differs."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return {
            table: checksum(connection, (physical or {}).get(table, table), names) for table, names in wanted.items()
        }
