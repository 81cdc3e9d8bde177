"""Headwater's own tables in the view's database: the truth about generations, offsets and tables of every view.

Format 1 (`format.number`). A later format migrates these tables in `open_state`; a newer one is refused.

* generations: which physical builds a view has, which one readers see; `revision` rises with every change of `tables`.
* offsets: by partition the next offset that the generation's rows contain, and the task that owns it. `next_offset`
  NULL: taken over, nothing written yet.
* tables: by logical table (`part`) its physical name now, its columns, the topics that feed it.
* deletions: keys deleted from tables with a version column, so that older events do not bring them back; "" for all
  that there were (a truncate).
* refused: places of records that the database refused and that were skipped (the dead letter queue has them).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import CreateIndex, CreateSchema, CreateTable

from headwater.worker.api import Fatal

from .connection import Connection
from .kind_names import kind_named
from .kinds import Kind
from .quoting import qualified, statement

FORMAT: Final = 1


class ColumnState(NamedTuple):
    """`sql` is the column's real type, which differs from `kind.sql` only in a table that Headwater did not make."""

    name: str
    kind: Kind
    sql: str
    key: bool = False


@dataclass(frozen=True, slots=True)
class TableState:
    """One logical table of one generation. `version`: name of the version column, or None."""

    part: str
    schema: str
    table: str
    columns: tuple[ColumnState, ...]
    topics: tuple[str, ...] = ()
    version: str | None = None
    indexed: bool = True
    """False: in bulk-load shape, without the secondary indexes."""
    names: dict[str, ColumnState] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", {column.name: column for column in self.columns})

    @property
    def qualified(self) -> str:
        return qualified(self.schema, self.table)

    @property
    def keys(self) -> tuple[ColumnState, ...]:
        return tuple(column for column in self.columns if column.key)

    def renamed(self, table: str) -> TableState:
        return replace(self, table=table)


def _metadata(schema: str) -> sa.MetaData:
    found = sa.MetaData(schema=schema)
    text, integer = sa.Text, sa.Integer
    sa.Table("format", found, sa.Column("number", integer, primary_key=True, autoincrement=False))
    generations = sa.Table(
        "generations", found, sa.Column("view", text, primary_key=True),
        sa.Column("generation", integer, primary_key=True, autoincrement=False),
        sa.Column("current", sa.Boolean, nullable=False), sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )  # fmt: skip
    sa.Index("generations_current", generations.c.view, unique=True, postgresql_where=generations.c.current)
    sa.Table(
        "offsets", found, sa.Column("view", text, primary_key=True),
        sa.Column("generation", integer, primary_key=True, autoincrement=False),
        sa.Column("topic", text, primary_key=True),
        sa.Column("partition", integer, primary_key=True, autoincrement=False),
        sa.Column("topic_id", text), sa.Column("next_offset", sa.BigInteger), sa.Column("owner", text),
    )  # fmt: skip
    sa.Table(
        "tables", found, sa.Column("view", text, primary_key=True),
        sa.Column("generation", integer, primary_key=True, autoincrement=False),
        sa.Column("part", text, primary_key=True), sa.Column("table_schema", text, nullable=False),
        sa.Column("table_name", text, nullable=False), sa.Column("columns", JSONB, nullable=False),
        sa.Column("topics", JSONB, nullable=False), sa.Column("version_column", text),
        sa.Column("indexed", sa.Boolean, nullable=False),
        sa.UniqueConstraint("table_schema", "table_name", name="tables_name", deferrable=True, initially="DEFERRED"),
    )  # fmt: skip
    sa.Table(
        "deletions", found, sa.Column("view", text, primary_key=True),
        sa.Column("generation", integer, primary_key=True, autoincrement=False),
        sa.Column("part", text, primary_key=True), sa.Column("key", text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
    )  # fmt: skip
    sa.Table(
        "refused", found, sa.Column("view", text, primary_key=True),
        sa.Column("generation", integer, primary_key=True, autoincrement=False),
        sa.Column("topic", text, primary_key=True),
        sa.Column("partition", integer, primary_key=True, autoincrement=False),
        sa.Column("record_offset", sa.BigInteger, primary_key=True, autoincrement=False),
    )  # fmt: skip
    return found


def open_state(connection: Connection, schema: str) -> None:
    """Make the state tables where they are missing. Raises `Fatal` for those of a newer Headwater."""
    if not has_state(connection, schema) or not is_there(connection, qualified(schema, "refused")):
        metadata = _metadata(schema)
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('headwater'), hashtext(%s))", [schema])
            make_schema(connection, schema)
            for table in metadata.sorted_tables:
                connection.execute(statement(CreateTable(table, if_not_exists=True)))
                for index in table.indexes:
                    connection.execute(statement(CreateIndex(index, if_not_exists=True)))
            connection.execute(f"INSERT INTO {schema}.format VALUES (%s) ON CONFLICT DO NOTHING", [FORMAT])  # noqa: S608
    found = [row[0] for row in connection.execute(f"SELECT number FROM {schema}.format")]  # noqa: S608
    if found != [FORMAT]:
        raise Fatal(
            f"the tables in schema {schema} have format {found}, this Headwater knows {FORMAT}: run a newer Headwater, "
            "or set another state.schema"
        )


def make_schema(connection: Connection, schema: str) -> None:
    """CREATE SCHEMA, even with IF NOT EXISTS, needs a right on the database that its use does not."""
    if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]).fetchone() is None:
        connection.execute(statement(CreateSchema(schema, if_not_exists=True)))


def has_state(connection: Connection, schema: str) -> bool:
    return is_there(connection, qualified(schema, "format"))


def exists(connection: Connection, table: TableState) -> bool:
    """Is the table still there, or did somebody drop or rename it?"""
    return is_there(connection, table.qualified)


def is_there(connection: Connection, name: str) -> bool:
    """`name`: of a table, view or the like, quoted."""
    row = connection.execute("SELECT to_regclass(%s)", [name]).fetchone()
    return row is not None and row[0] is not None


def lock_tables(connection: Connection, schema: str, view: str) -> None:
    """One at a time changes which tables a view has, until the transaction's end. Taken after offset rows."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s), hashtext(%s))", [f"headwater.{schema}", view])


def read_tables(connection: Connection, schema: str, view: str, generation: int) -> dict[str, TableState]:
    rows = connection.execute(
        "SELECT part, table_schema, table_name, columns, topics, version_column, indexed "  # noqa: S608
        f"FROM {schema}.tables WHERE view = %s AND generation = %s ORDER BY part",
        [view, generation],
    )
    return {row[0]: _table(row) for row in rows}


def current_tables(connection: Connection, schema: str, view: str) -> dict[str, TableState]:
    """The tables that readers see; none where no generation is current yet."""
    row = connection.execute(
        f"SELECT generation FROM {schema}.generations WHERE view = %s AND current",  # noqa: S608
        [view],
    ).fetchone()
    return {} if row is None else read_tables(connection, schema, view, row[0])


def _table(row: tuple[Any, ...]) -> TableState:
    part, schema, table, columns, topics, version, indexed = row
    states = tuple(ColumnState(c["name"], kind_named(c["kind"]), c["type"], c["key"]) for c in columns)
    return TableState(part, schema, table, states, tuple(topics), version, indexed)


def write_table(connection: Connection, schema: str, view: str, generation: int, table: TableState) -> None:
    """Insert or replace one table's record; the generation's revision rises."""
    columns = [{"name": c.name, "kind": c.kind.sql, "type": c.sql, "key": c.key} for c in table.columns]
    connection.execute(
        f"INSERT INTO {schema}.tables VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) "  # noqa: S608
        "ON CONFLICT (view, generation, part) DO UPDATE SET table_schema = excluded.table_schema, table_name = "
        "excluded.table_name, columns = excluded.columns, topics = excluded.topics, "
        "version_column = excluded.version_column, indexed = excluded.indexed",
        [view, generation, table.part, table.schema, table.table, json.dumps(columns), json.dumps(table.topics),
         table.version, table.indexed],
    )  # fmt: skip
    bump(connection, schema, view, [generation])


def bump(connection: Connection, schema: str, view: str, generations: Sequence[int]) -> None:
    """Let the tasks of these generations read `tables` again."""
    connection.execute(
        f"UPDATE {schema}.generations SET revision = revision + 1 WHERE view = %s AND generation = ANY(%s)",  # noqa: S608
        [view, list(generations)],
    )


def owner_of(connection: Connection, schema: str, table_schema: str, table: str) -> tuple[str, int] | None:
    """View and generation that a physical table belongs to."""
    row = connection.execute(
        f"SELECT view, generation FROM {schema}.tables WHERE table_schema = %s AND table_name = %s",  # noqa: S608
        [table_schema, table],
    ).fetchone()
    return None if row is None else (row[0], row[1])
