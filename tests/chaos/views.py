"""The views under test: their configs, and what stands in them, row by row, as a reader without Headwater sees it."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

import psycopg
from psycopg import sql

from tests.live_writer import TABLES
from tests.servers.postgres import PostgresServer

Rows = dict[str, Counter[tuple[str | None, ...]]]
"""Of each table each row, as the texts of its values, and how often it is there. Columns in order of their names."""

_POSTGRES = """
name: {name}
connector.class: PostgresSink
topics.regex: chaos\\.public\\..*
collection.name.format: ${{source.table}}
connection.url: {url}
connection.username: postgres
connection.password: unused
tasks.max: 2
"""


class View(Protocol):
    """`name` is its connector's."""

    name: str

    def config(self) -> str:
        """The YAML of its connector."""
        ...

    def rows(self) -> Rows:
        """Raises `OSError` or `psycopg.OperationalError` where it cannot be read now."""
        ...


class PostgresView:
    name = "chaos-postgres"

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        server.create_database("view")

    def config(self) -> str:
        return _POSTGRES.format(name=self.name, url=self._server.url("view"))

    def rows(self) -> Rows:
        return table_rows(self._server.dsn("view"))


def table_rows(dsn: str) -> Rows:
    """Of a source's or a view's database; a table that is not there has no rows."""
    rows: Rows = {}
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        for table in TABLES:
            found = connection.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 "
                "AND NOT attisdropped AND attname NOT LIKE '\\_\\_%%' ORDER BY 1",
                [f"public.{table}"],
            )
            texts = [sql.SQL("{}::text").format(sql.Identifier(str(column))) for (column,) in found]
            rows[table] = Counter()
            if texts:
                query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(texts), sql.Identifier("public", table))
                rows[table].update(tuple(row) for row in connection.execute(query))
    return rows


def difference(source: Rows, view: Rows) -> str:
    """For a human; '' where they are equal."""
    lines = []
    for table in TABLES:
        missing, extra = source[table] - view[table], view[table] - source[table]
        if missing or extra:
            lines.append(
                f"{table}: {source[table].total()} rows at the source, {view[table].total()} in the view; "
                f"{missing.total()} missing, {extra.total()} too many"
            )
            lines += [f"  missing {str(row)[:200]}" for row in sorted(missing, key=str)[:3]]
            lines += [f"  extra   {str(row)[:200]}" for row in sorted(extra, key=str)[:3]]
    return "\n".join(lines)
