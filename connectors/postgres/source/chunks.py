"""How a table is cut into chunks and read: the SQL of it. Pure.

Keys travel as text and come back as typed literals, so that the server compares them as it sorts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """What to read. `columns`: of each row, in order. `key`, `types`: columns that order the table and their types as
    SQL; empty: it cannot be cut. `select` replaces the table itself; `where` is a row filter as SQL."""

    schema: str
    name: str
    kind: str
    columns: tuple[str, ...]
    key: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    select: str | None = None
    where: str | None = None

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"


def copy_statement(relation: Relation, lower: Key | None, upper: Key | None, limit: int | None = None) -> sql.Composed:
    """COPY of the rows above `lower`, up to and including `upper`, in order of the key."""
    return sql.SQL("COPY (SELECT {} FROM {}{}{}{}) TO STDOUT").format(
        names(relation.columns), _from(relation), _where(relation, lower, upper), _order(relation),
        sql.SQL("" if limit is None else f" LIMIT {int(limit)}"),
    )  # fmt: skip


def boundary_query(relation: Relation, lower: Key | None, rows: int) -> sql.Composed:
    """The key of the last row of the chunk above `lower`, and of the row behind it where there is one."""
    keys = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in relation.key)
    return sql.SQL("SELECT {} FROM {}{}{} OFFSET {} LIMIT 2").format(
        keys, _from(relation), _where(relation, lower, None), _order(relation), rows - 1
    )


def select_by_keys(relation: Relation, keys: Sequence[Key]) -> sql.Composed:
    """The rows with these keys."""
    values = sql.SQL(", ").join(sql.SQL("({})").format(_literals(relation, key)) for key in keys)
    return sql.SQL("SELECT {} FROM {} WHERE ({}) IN ({})").format(
        names(relation.columns), _table(relation), names(relation.key), values
    )


def names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _table(relation: Relation) -> sql.Composed:
    # ONLY: children by inheritance are tables of their own here
    only = sql.SQL("ONLY " if relation.kind == "r" else "")
    return sql.SQL("{}{}").format(only, sql.Identifier(relation.schema, relation.name))


def _from(relation: Relation) -> sql.Composed:
    if relation.select is None:
        return _table(relation)
    return sql.SQL("({}) AS {}").format(sql.SQL(relation.select), sql.Identifier(relation.name))


def _where(relation: Relation, lower: Key | None, upper: Key | None) -> sql.Composed:
    conditions = []
    if relation.where:
        conditions.append(sql.SQL("({})").format(sql.SQL(relation.where)))
    for operator, key in ((">", lower), ("<=", upper)):
        if key is not None:
            condition = sql.SQL("({}) {} ({})").format(names(relation.key), sql.SQL(operator), _literals(relation, key))
            conditions.append(condition)
    return sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(conditions)) if conditions else sql.SQL("").format()


def _order(relation: Relation) -> sql.Composed:
    return sql.SQL(" ORDER BY {}").format(names(relation.key)) if relation.key else sql.SQL("").format()


def _literals(relation: Relation, key: Key) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(type))
        for value, type in zip(key, relation.types, strict=True)
    )
