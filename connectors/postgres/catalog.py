"""What pg_catalog knows of tables and types. The only file of this folder's decoding side that does I/O."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """`default`: the default as SQL text. `generated`: "" or s (stored) or v (virtual). `identity`: "", a or d."""

    name: str
    number: int
    type_oid: int
    typmod: int = -1
    not_null: bool = False
    default: str | None = None
    generated: str = ""
    identity: str = ""


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


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """`kind`: b (base), e (enum), d (domain), r (range), m (multirange), c (composite), p (pseudo).

    `element`: oid of an array's elements, else 0. `base`, `base_typmod`: what a domain is made of, else 0 and -1.
    `range_subtype`: of ranges and multiranges, else 0. `labels`: an enum's, in order. `delimiter`: between an
    array's elements of this type.
    """

    oid: int
    schema: str
    name: str
    kind: str = "b"
    element: int = 0
    base: int = 0
    base_typmod: int = -1
    range_subtype: int = 0
    labels: tuple[str, ...] = ()
    category: str = "U"
    delimiter: str = ","
