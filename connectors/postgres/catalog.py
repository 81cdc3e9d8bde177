"""What pg_catalog knows of tables and types. The only file of the decoding side that does I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """`default`: the default as SQL text. `generated`: "" or s (stored) or v (virtual). `identity`: "", a or d.

    `dimensions`: how many an array column declares.
    """

    name: str
    number: int
    type_oid: int
    typmod: int = -1
    not_null: bool = False
    default: str | None = None
    generated: str = ""
    identity: str = ""
    dimensions: int = 0


@dataclass(frozen=True, slots=True)
class TableInfo:
    """`kind`: r (table) or p (partitioned). `key`: names of the primary key's columns in its order, or empty.

    `replica_identity`: d, n, f or i; `identity_key`: the columns of the replica identity index where it is i.
    `root_oid`: the topmost partitioned table that this one is a partition of, or None.
    """

    oid: int
    schema: str
    name: str
    kind: str
    columns: tuple[ColumnInfo, ...]
    key: tuple[str, ...] = ()
    replica_identity: str = "d"
    identity_key: tuple[str, ...] = ()
    root_oid: int | None = None

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    def column(self, name: str) -> ColumnInfo | None:
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """`kind`: b (base), e (enum), d (domain), r (range), m (multirange), c (composite), p (pseudo), or gone.

    `element`: oid of an array's elements, else 0. `base`, `base_typmod`, `base_dimensions`: what a domain is made of,
    else 0, -1 and 0. `range_subtype`: of ranges, else 0. `labels`: an enum's, in order. `delimiter`: what stands
    between the elements of an array of this type.
    """

    oid: int
    schema: str
    name: str
    kind: str = "b"
    element: int = 0
    base: int = 0
    base_typmod: int = -1
    base_dimensions: int = 0
    range_subtype: int = 0
    labels: tuple[str, ...] = ()
    category: str = "U"
    delimiter: str = ","


class Types:
    """All types of one database; read at first use, and again when an oid turns up that was not there."""

    def __init__(self, read: Callable[[], Iterable[TypeInfo]]) -> None:
        """`read`: usually `lambda: read_types(connection)`."""
        self._read = read
        self._by_oid: Mapping[int, TypeInfo] = {}

    def get(self, oid: int) -> TypeInfo:
        """A type that is not there any more, dropped after the change that uses it was written, has `kind` gone."""
        if oid not in self._by_oid:
            self.refresh()
        return self._by_oid.get(oid) or TypeInfo(oid, "", f"dropped type {oid}", kind="gone")

    def refresh(self) -> None:
        self._by_oid = {info.oid: info for info in self._read()}


def read_types(connection: Connection) -> list[TypeInfo]:
    rows = connection.execute(_TYPES).fetchall()
    return [
        replace(TypeInfo(*plain), labels=tuple(labels or ()), category=category, delimiter=delimiter)
        for *plain, labels, category, delimiter in rows
    ]


def read_tables(connection: Connection, oids: Sequence[int] | None = None) -> dict[int, TableInfo]:
    """Tables and partitioned tables by oid, all user tables where `oids` is None. Those that do not exist are left out.

    Reads pg_catalog alone: no privilege on the tables is needed.
    """
    selected = None if oids is None else list(oids)
    columns: dict[int, list[ColumnInfo]] = {}
    for table, *column in connection.execute(_COLUMNS, {"oids": selected}).fetchall():
        columns.setdefault(table, []).append(ColumnInfo(*column))
    keys: dict[tuple[int, bool], tuple[str, ...]] = {}
    for table, primary, identity, names in connection.execute(_KEYS, {"oids": selected}).fetchall():
        if primary:
            keys[table, True] = tuple(names)
        if identity:
            keys[table, False] = tuple(names)
    tables = {}
    for oid, schema, name, kind, replica_identity, root in connection.execute(_TABLES, {"oids": selected}).fetchall():
        tables[oid] = TableInfo(
            oid, schema, name, kind, tuple(columns.get(oid, ())),
            keys.get((oid, True), ()), replica_identity, keys.get((oid, False), ()), root,
        )  # fmt: skip
    return tables


_TYPES = """
SELECT t.oid::int8, n.nspname, t.typname, t.typtype::text,
       CASE WHEN e.typarray = t.oid THEN t.typelem ELSE 0 END::int8, t.typbasetype::int8, t.typtypmod, t.typndims,
       coalesce((SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid), 0)::int8,
       CASE WHEN t.typtype = 'e' THEN
         (SELECT array_agg(l.enumlabel::text ORDER BY l.enumsortorder) FROM pg_catalog.pg_enum l
          WHERE l.enumtypid = t.oid) END,
       t.typcategory::text, t.typdelim::text
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
"""

_TABLE_FILTER = """
c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
AND (%(oids)s::oid[] IS NULL OR c.oid = ANY(%(oids)s::oid[]))
"""

_COLUMNS = f"""
SELECT a.attrelid::int8, a.attname::text, a.attnum::int4, a.atttypid::int8, a.atttypmod, a.attnotnull,
       CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
       a.attgenerated::text, a.attidentity::text, a.attndims::int4
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND {_TABLE_FILTER}
ORDER BY a.attrelid, a.attnum
"""  # noqa: S608 - the filter is a constant

_KEYS = f"""
SELECT i.indrelid::int8, i.indisprimary, i.indisreplident,
       (SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
        WHERE k.place <= i.indnkeyatts)
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE (i.indisprimary OR i.indisreplident) AND i.indisvalid AND {_TABLE_FILTER}
"""  # noqa: S608

_TABLES = f"""
SELECT c.oid::int8, n.nspname, c.relname, c.relkind::text, c.relreplident::text,
       CASE WHEN c.relispartition THEN pg_catalog.pg_partition_root(c.oid)::oid::int8 END
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE {_TABLE_FILTER}
"""  # noqa: S608
