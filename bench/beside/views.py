"""What a sink has made so far, as its readers see it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pyarrow.parquet
from psycopg import sql

from tests.servers.postgres import PostgresServer

from .table import SOURCE, Table

Connection = psycopg.Connection[tuple[Any, ...]]
NOTHING, SOMETHING, ALL = 0, 1, 2


@dataclass(frozen=True)
class Goal:
    """`events`: on the topic, tombstones not counted; `last_id`: the primary key of the last of them."""

    events: int
    last_id: int


class View(Protocol):
    def warm_rows(self, name: str) -> int:
        """Rows that the connector `name` has written, which a worker runs first."""

    def progress(self, goal: Goal) -> int:
        """NOTHING, SOMETHING or ALL. Cheap enough to be asked five times a second."""

    def check(self, goal: Goal) -> None:
        """Raises `RuntimeError` where the view is not what it should be."""


@dataclass
class PostgresView:
    server: PostgresServer
    database: str
    table: Table
    connection: Connection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = self.server.connect(self.database)

    def warm_rows(self, name: str) -> int:
        return self._ask(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name)))

    def progress(self, goal: Goal) -> int:
        table, key = sql.Identifier(self.table.name), sql.Identifier(self.table.key)
        if self._ask(sql.SQL("SELECT count(*) FROM {} WHERE {} = {}").format(table, key, goal.last_id)):
            return ALL
        return SOMETHING if self._ask(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(table)) else NOTHING

    def check(self, goal: Goal) -> None:
        question = f"SELECT {self.table.check} FROM {self.table.name}"
        with self.server.connect(SOURCE) as source:
            wanted = source.execute(question).fetchone()
        found = self.connection.execute(question).fetchone()
        if found != wanted:
            raise RuntimeError(f"the view in {self.database} has {self.table.check} = {found}, the table {wanted}")

    def _ask(self, question: sql.Composed) -> int:
        """The number that is the answer; 0 where there is no row, or no table so far."""
        try:
            row = self.connection.execute(question).fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
        return int(row[0]) if row else 0


@dataclass
class ParquetView:
    """A change log: one row an event. Each connector's view lies in a folder of its own."""

    folder: Path
    bench: str
    rows_of: dict[str, int] = field(default_factory=dict)

    def warm_rows(self, name: str) -> int:
        return self._rows(name)

    def progress(self, goal: Goal) -> int:
        rows = self._rows(self.bench)
        return ALL if rows >= goal.events else SOMETHING if rows else NOTHING

    def check(self, goal: Goal) -> None:
        rows = self._rows(self.bench)
        if rows != goal.events:
            raise RuntimeError(f"the files in {self.folder} have {rows:,} rows for {goal.events:,} events")

    def _rows(self, name: str) -> int:
        try:
            current = json.loads((self.folder / name / "current.json").read_text())
        except FileNotFoundError:
            return 0
        files = [path for table in current["tables"].values() for path in table["files"]]
        for path in files:
            if path not in self.rows_of:
                self.rows_of[path] = pyarrow.parquet.read_metadata(path).num_rows
        return sum(self.rows_of[path] for path in files)
