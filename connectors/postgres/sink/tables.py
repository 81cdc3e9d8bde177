"""Making and changing the tables of a view, so that they fit what the records bring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import UserDefinedType

from headwater.worker.api import DataError, Fatal, Values

from . import kinds
from .connection import Connection
from .existing import adopt, real_types
from .kind_names import is_kind, kind_named, widened
from .kinds import Kind
from .meanings import changes_only, changes_tables, creates_tables, why_not
from .naming import generation_name, key_name
from .quoting import qualified, quoted, statement
from .rows import Plan
from .state import ColumnState, TableState, current_tables, exists, make_schema, owner_of, write_table

VERSION_COLUMN = "__version"


class _Sql(UserDefinedType[Any]):
    """A column type given as SQL."""

    cache_ok = True

    def __init__(self, sql: str) -> None:
        self.sql = sql

    def get_col_spec(self, **_: Any) -> str:
        return self.sql


@dataclass(frozen=True, slots=True)
class Builder:
    """Changes the tables of one generation; used inside a transaction that holds `state.lock_tables`.

    `current`: its tables carry the public names. `state`: the state schema.
    """

    values: Values
    state: str
    view: str
    generation: int
    current: bool

    def evolve(self, connection: Connection, table: TableState | None, plan: Plan, topic: str) -> TableState:
        """The table after it was made, or made to fit `plan`; `topic`: where the records come from.

        Raises `DataError`, with nothing changed, where that is not possible for these records; `Fatal` where a table
        of somebody else's has the name.
        """
        if table is None:
            made = self._make(connection, plan, topic)
        else:
            check_keys(table, plan)
            made = self._alter(connection, table, plan)
            made = self._add_topic(connection, made, topic)
        write_table(connection, self.state, self.view, self.generation, made)
        return made

    def _make(self, connection: Connection, plan: Plan, topic: str) -> TableState:
        physical = plan.table if self.current else generation_name(plan.table, self.generation)
        owner = owner_of(connection, self.state, plan.schema, physical)
        if owner is not None:
            raise Fatal(  # no record is to blame: to tolerate it would skip the whole topic
                f"{plan.schema}.{physical} belongs to generation {owner[1]} of the view {owner[0]}; let one connector "
                "feed the table, or set collection.name.format"
            )
        columns = tuple(ColumnState(c.name, c.column.kind, c.column.kind.sql, c.key) for c in plan.cells)
        name = self.values["version.column"]
        version = None if name in ("auto", "none") else name
        table = TableState(plan.part, plan.schema, physical, columns, (topic,), version, indexed=self.current)
        if version:
            table = _with_version(table, version)
        if exists(connection, table):
            return adopt(connection, self.values, table)
        if changes_only(self.values):
            raise Fatal(f"the table {plan.part} is missing, and insert.mode: update changes rows that others put there")
        if creates_tables(self.values):
            create_table(connection, table, plan.table, None if self.current else self.generation)
            return table
        return self._make_alike(connection, table, plan)

    def _make_alike(self, connection: Connection, table: TableState, plan: Plan) -> TableState:
        """A generation's table in the shape that users gave to the one that readers see."""
        live = None if self.current else current_tables(connection, self.state, self.view).get(plan.part)
        if live is None or not exists(connection, live):
            why = why_not(self.values, "auto.create")
            error = Fatal if self.values["schema.evolution"] == "validate-only" else DataError
            raise error(f"the table {plan.part} is missing, and {why}: create it")
        create_alike(connection, table, live, plan.table, self.generation)
        return adopt(connection, self.values, table)

    def _alter(self, connection: Connection, table: TableState, plan: Plan) -> TableState:
        columns = list(table.columns)
        for cell in plan.cells:
            kind = cell.column.kind
            known = table.names.get(cell.name)
            if known is None:
                columns.append(self._column(connection, table, cell.name, kind))
                continue
            wide = widened(known.kind, kind, cell.key)
            if wide is None:
                raise DataError(
                    f"{table.part}: column {cell.name} is {known.kind.sql}, the records of {plan.topic} now bring "
                    f"{kind.sql}; rebuild the view with a transform that casts the field, so that all records of the "
                    "log bring one type"
                )
            if wide.sql == known.kind.sql:
                continue
            if known.sql == known.kind.sql:
                known = known._replace(sql=self._widen(connection, table, cell.name, wide))
            columns[columns.index(table.names[cell.name])] = known._replace(kind=wide)
        return replace(table, columns=tuple(columns))

    def _column(self, connection: Connection, table: TableState, name: str, kind: Kind) -> ColumnState:
        """A column that the table has not, as far as Headwater knows: it is there already, or it is added."""
        there = real_types(connection, table).get(name) if self._users_change_tables() else None
        if there is None:
            self._ddl(connection, table, f"ADD COLUMN {quoted(name)} {kind.sql}", f"column {name}")
        return ColumnState(name, kind, there or kind.sql)

    def _widen(self, connection: Connection, table: TableState, name: str, wide: Kind) -> str:
        """The column's real type, which then holds all that `wide` does."""
        if self._users_change_tables():
            there = real_types(connection, table, lengths=True).get(name, "")
            if is_kind(there) and widened(kind_named(there), wide) is kind_named(there):
                return there
        change = f"ALTER COLUMN {quoted(name)} TYPE {wide.sql}"
        self._ddl(connection, table, change, f"type {wide.sql} of column {name}")
        return wide.sql

    def _users_change_tables(self) -> bool:
        """What they put into a table of Headwater's alone is theirs, and not for records to write into."""
        ours = creates_tables(self.values) and changes_tables(self.values) and not self.values["adopt.tables"]
        return not ours

    def _ddl(self, connection: Connection, table: TableState, change: str, what: str) -> None:
        if not changes_tables(self.values):
            why = why_not(self.values, "auto.evolve")
            raise DataError(f"{table.part}: the {what} is missing, and {why}: ALTER TABLE … {change}")
        try:
            with connection.transaction():
                connection.execute(f"ALTER TABLE {table.qualified} {change}")
        except psycopg.errors.FeatureNotSupported as error:
            raise DataError(
                f"{table.part}: the {what} is refused: {error.diag.message_primary} "
                f"({error.diag.message_detail}); rebuild the view, or drop what depends on the column"
            ) from error
        except psycopg.errors.DuplicateColumn as error:
            raise DataError(f"{table.part}: the {what} is there and was not made by Headwater; drop it") from error

    def _add_topic(self, connection: Connection, table: TableState, topic: str) -> TableState:
        """A second topic needs the version column: its records have no order with those of the first."""
        if topic in table.topics:
            return table
        topics = (*table.topics, topic)
        if table.version or self.values["version.column"] == "none" or _by_coordinates(table):
            return replace(table, topics=topics)
        if self.values["version.column"] != "auto" or _has_rows(connection, table):
            raise DataError(
                f"{topic}: a second topic for {table.part}, which so far {table.topics[0]} fed, needs a version "
                f"column: set version.column: {VERSION_COLUMN} and rebuild the view (or version.column: none, if no "
                "two topics hold the same key)"
            )
        column = self._column(connection, table, VERSION_COLUMN, kinds.BIGINT)
        return replace(table, columns=(*table.columns, column), version=VERSION_COLUMN, topics=topics)


def fits(table: TableState | None, plan: Plan, topic: str) -> bool:
    """Can the plan's records be written as the table stands? Also True where `evolve` would refuse the key."""
    if table is None or topic not in table.topics:
        return False
    for cell in plan.cells:
        known = table.names.get(cell.name)
        if known is None or known.key != cell.key:
            return False
        if known.kind.sql != cell.column.kind.sql:
            wide = widened(known.kind, cell.column.kind, cell.key)
            if wide is None or wide.sql != known.kind.sql:
                return False
    return len(table.keys) == sum(cell.key for cell in plan.cells)


def check_keys(table: TableState, plan: Plan) -> None:
    """Raises `DataError` where the plan's key is not the table's."""
    ours, theirs = sorted(c.name for c in table.keys), sorted(c.name for c in plan.cells if c.key)
    if ours != theirs:
        raise DataError(
            f"{table.part}: its key is ({', '.join(ours)}), that of the records of {plan.topic} now "
            f"({', '.join(theirs)}); rebuild the view"
        )


def create_table(connection: Connection, table: TableState, name: str, generation: int | None) -> None:
    """`name`: the table's public one, from which that of its key is made."""
    key = key_name(name) if generation is None else generation_name(key_name(name), generation)
    columns = [sa.Column(c.name, _Sql(c.sql), nullable=not c.key) for c in table.columns]
    made = sa.Table(
        table.table,
        sa.MetaData(schema=table.schema),
        *columns,
        sa.PrimaryKeyConstraint(*(c.name for c in table.columns if c.key), name=key),
    )
    make_schema(connection, table.schema)
    connection.execute(statement(CreateTable(made)))


def create_alike(connection: Connection, table: TableState, live: TableState, name: str, generation: int) -> None:
    """The columns of `live` as they are, with those of `table` as its key; indexes come after the load."""
    key = quoted(generation_name(key_name(name), generation))
    listed = ", ".join(quoted(column.name) for column in table.keys)
    like = f"LIKE {live.qualified} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING IDENTITY INCLUDING STORAGE"
    connection.execute(f"CREATE TABLE {table.qualified} ({like}, CONSTRAINT {key} PRIMARY KEY ({listed}))")


def _with_version(table: TableState, name: str) -> TableState:
    return replace(table, columns=(*table.columns, ColumnState(name, kinds.BIGINT, "bigint")), version=name)


def _by_coordinates(table: TableState) -> bool:
    """The key names topic and offset: no two records meet in one row."""
    return len(table.keys) == 3 and [c.kind.sql for c in table.keys] == ["text", "integer", "bigint"]


def _has_rows(connection: Connection, table: TableState) -> bool:
    row = connection.execute(f"SELECT EXISTS (SELECT FROM {qualified(table.schema, table.table)})").fetchone()  # noqa: S608
    return bool(row and row[0])
