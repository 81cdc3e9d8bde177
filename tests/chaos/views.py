"""The views under test: their configs, and what stands in them, row by row, as a reader without Headwater sees it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from tests.live_writer import KEYED, TABLES
from tests.servers.postgres import PostgresServer

Rows = dict[str, Counter[tuple[str, ...]]]
"""Of each table each row, as texts of its values in order of the columns' names, and how often it is there."""

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
_PARQUET = """
name: {name}
connector.class: ParquetSink
topics.regex: chaos\\.public\\.({tables})
table.name.format: ${{topic}}
path: {path}
view.mode: {mode}
rotate.schedule.interval.ms: 1000
file.delete.delay.ms: 5000
tasks.max: 2
"""


class View(Protocol):
    """`name` is its connector's; `tables`: those that it holds."""

    name: str
    tables: Sequence[str]

    def config(self) -> str:
        """The YAML of its connector."""
        ...

    def rows(self) -> Rows:
        """Raises `OSError` or `psycopg.OperationalError` where it cannot be read now."""
        ...


class PostgresView:
    name = "chaos-postgres"
    tables: Sequence[str] = list(TABLES)

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        server.create_database("view")

    def config(self) -> str:
        return _POSTGRES.format(name=self.name, url=self._server.url("view"))

    def rows(self) -> Rows:
        return table_rows(self._server.dsn("view"))


class ParquetView:
    """A change log holds every table, a latest state those with a key."""

    def __init__(self, folder: Path, mode: str) -> None:
        """`mode`: change-log or latest-state."""
        self.name = f"chaos-{mode}"
        self._mode = mode.replace("-", ".")
        self.tables: Sequence[str] = list(TABLES) if mode == "change-log" else KEYED
        self.folder = folder / self.name

    def config(self) -> str:
        tables = "|".join(self.tables)
        return _PARQUET.format(name=self.name, tables=tables, path=self.folder, mode=self._mode)

    def rows(self) -> Rows:
        return {table: self._table(table) for table in self.tables}

    def _table(self, table: str) -> Counter[tuple[str, ...]]:
        records = self.records(table)
        if self._mode == "change.log" and TABLES[table]:
            newest: dict[tuple[Any, ...], dict[str, Any]] = {}
            for record in sorted(records, key=lambda r: (r["__partition"], r["__offset"])):
                newest[tuple(record[column] for column in TABLES[table])] = record
            records = [record for record in newest.values() if not record["__deleted"]]
        return Counter(_texts(record) for record in records)

    def records(self, table: str) -> list[dict[str, Any]]:
        """All rows of the files that `current.json` names, in whatever order."""
        try:
            current = json.loads((self.folder / "current.json").read_text())
        except FileNotFoundError:
            return []
        named = current["tables"].get(f"chaos.public.{table}", {"files": []})["files"]
        schema = pq.read_schema(named[0]) if named else pa.schema([])
        return [row for file in named for row in pq.read_table(file, schema=schema).to_pylist()]


def _texts(record: dict[str, Any]) -> tuple[str, ...]:
    return tuple(_text(record[name]) for name in sorted(record) if not name.startswith("__"))


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return repr(value)


def table_rows(dsn: str) -> Rows:
    """Of a source's or a view's database; a table that is not there has no rows."""
    rows: Rows = {}
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table in TABLES:
            found = connection.execute(
                "SELECT attname, atttypid = 'jsonb'::regtype FROM pg_attribute WHERE attrelid = to_regclass(%s) "
                "AND attnum > 0 AND NOT attisdropped AND attname NOT LIKE '\\_\\_%%' ORDER BY attname COLLATE \"C\"",
                [f"public.{table}"],
            )
            columns = [
                sql.SQL("{}::text" if is_json else "{}").format(sql.Identifier(str(column)))
                for column, is_json in found
            ]
            rows[table] = Counter()
            if columns:
                name = sql.Identifier("public", table)
                query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(columns), name)
                rows[table].update(tuple(map(_text, row)) for row in connection.execute(query))
    return rows


def difference(source: Rows, view: Rows, tables: Iterable[str]) -> str:
    """For a human; '' where they are equal."""
    lines = []
    for table in tables:
        missing, extra = source[table] - view[table], view[table] - source[table]
        if missing or extra:
            lines.append(
                f"{table}: {source[table].total()} rows at the source, {view[table].total()} in the view; "
                f"{missing.total()} missing, {extra.total()} too many"
            )
            lines += [f"  missing {str(row)[:200]}" for row in sorted(missing, key=str)[:3]]
            lines += [f"  extra   {str(row)[:200]}" for row in sorted(extra, key=str)[:3]]
    return "\n".join(lines)
