"""Which tables are captured: the filters of the config, met by what is in the database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from headwater.worker.api import Fatal

from .connection import Connection, rows
from .options import split_list


@dataclass(frozen=True, slots=True)
class Candidate:
    """A table of the database. `kind`: r or p (partitioned). `root`: the full name of the topmost partitioned table
    that it is a partition of. `rows` is the server's estimate, -1: never counted."""

    oid: int
    schema: str
    name: str
    kind: str
    root: str | None
    rows: int
    keyed: bool
    replica_identity: str
    owned: bool
    """May this user add it to a publication?"""
    readable: bool

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def identifiable(self) -> bool:
        """Can PostgreSQL publish its updates and deletes? Where not, they fail once it is published with them."""
        return self.replica_identity in ("f", "i") or (self.replica_identity == "d" and self.keyed)


_QUERY: Final = """
    SELECT c.oid, n.nspname, c.relname, c.relkind::text,
           CASE WHEN c.relispartition THEN
               (SELECT rn.nspname || '.' || r.relname FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace
                WHERE r.oid = pg_partition_root(c.oid)) END,
           CASE WHEN c.relkind = 'p' THEN
               (SELECT sum(greatest(l.reltuples, 0)) FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid
                WHERE t.isleaf) ELSE c.reltuples END::bigint,
           EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
           c.relreplident::text, pg_has_role(c.relowner, 'USAGE'), has_table_privilege(c.oid, 'SELECT')
           OR has_any_column_privilege(c.oid, 'SELECT')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname !~ '^pg_'
      AND n.nspname <> 'information_schema' AND c.relname <> 'spatial_ref_sys'
    ORDER BY n.nspname, c.relname"""


def candidates(connection: Connection) -> list[Candidate]:
    """Every permanent table of the database but the system's, in order of name."""
    return [Candidate(*row) for row in rows(connection, _QUERY)]


class Matcher:
    """Debezium's lists: each item is a regular expression that must match the whole name, without regard to case."""

    def __init__(self, include: str | None, exclude: str | None = None) -> None:
        self._include = _compile(include)
        self._exclude = _compile(exclude)

    def __call__(self, name: str) -> bool:
        if self._include and not any(pattern.fullmatch(name) for pattern in self._include):
            return False
        return not any(pattern.fullmatch(name) for pattern in self._exclude)


def _compile(patterns: str | None) -> list[re.Pattern[str]]:
    return [re.compile(pattern, re.IGNORECASE) for pattern in split_list(patterns)]


class TableFilter:
    """Answers for names; built once from the options."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._schema = Matcher(values["schema.include.list"], values["schema.exclude.list"])
        self._table = Matcher(values["table.include.list"], values["table.exclude.list"])
        self._column = Matcher(values["column.include.list"], values["column.exclude.list"])
        self._snapshot = Matcher(values["snapshot.include.collection.list"])
        self._keys = [
            (re.compile(table.strip(), re.IGNORECASE), tuple(c.strip() for c in columns.split(",")))
            for table, _, columns in (item.rpartition(":") for item in split_list(values["message.key.columns"], ";"))
        ]

    def captures(self, schema: str, table: str) -> bool:
        if schema.startswith("pg_") or schema == "information_schema" or table == "spatial_ref_sys":
            return False
        return self._schema(schema) and self._table(f"{schema}.{table}")

    def captures_column(self, schema: str, table: str, column: str) -> bool:
        return self._column(f"{schema}.{table}.{column}")

    def snapshots(self, full_name: str) -> bool:
        return self._snapshot(full_name)

    def key_columns(self, full_name: str) -> tuple[str, ...] | None:
        """The columns that message.key.columns names for this table."""
        return next((columns for pattern, columns in self._keys if pattern.fullmatch(full_name)), None)


def captured(found: Iterable[Candidate], filter: TableFilter, via_root: bool) -> list[Candidate]:
    """The candidates that the filters let through, partitioned tables as `publish.via.partition.root` says.

    Raises `Fatal` for a partitioned table that is asked for while none of its partitions is.
    """
    found = list(found)
    matching = [table for table in found if filter.captures(table.schema, table.name)]
    if via_root:
        return [table for table in matching if table.root is None]
    leaves = [table for table in matching if table.kind == "r"]
    covered = {table.root for table in leaves}
    populated = {table.root for table in found if table.root and table.kind == "r"}
    for table in matching:
        alone = table.kind == "p" and table.root is None and table.full_name not in covered
        if alone and table.full_name in populated:
            raise Fatal(
                f"{table.full_name} is a partitioned table and table.include.list matches none of its partitions, so "
                "that no change of it would be captured. Set publish.via.partition.root = true to capture it as one "
                "table, or let the list match the partitions"
            )
    return leaves


def shared_topics(topics: Mapping[str, str]) -> list[str]:
    """Topics that more than one table would write to; `topics`: table -> topic."""
    seen: dict[str, str] = {}
    return [f"{table} and {seen[topic]} -> {topic}" for table, topic in topics.items()
            if seen.setdefault(topic, table) != table]  # fmt: skip
