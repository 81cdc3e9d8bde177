"""A table as the stream describes it, completed from the catalog."""

from __future__ import annotations

from dataclasses import replace

from headwater.connectors.postgres.catalog import ColumnInfo, TableInfo

from .pgoutput import Relation


def with_relation(table: TableInfo | None, relation: Relation) -> TableInfo:
    """The columns that `relation` lists, in its order. Default, nullability and key come from `table`, the catalog's
    present view, where they still fit: the catalog may be ahead of the stream.

    A column that the catalog does not know (any more), or knows with another type, may be null and has no default. A
    key of which a column is missing in the stream is no key; then the columns flagged by the server are it, unless
    that is the whole row (replica identity full).
    """
    known = {column.name: column for column in table.columns} if table else {}
    columns = []
    for number, sent in enumerate(relation.columns, 1):
        column = known.get(sent.name)
        if column is None or column.type_oid != sent.type_oid:
            column = ColumnInfo(sent.name, number, sent.type_oid, sent.typmod)
        columns.append(replace(column, typmod=sent.typmod))
    names = {column.name for column in columns}
    flagged = tuple(column.name for column in relation.columns if column.key)
    key = table.key if table else ()
    if not names.issuperset(key) or (table is None and relation.replica_identity == "d"):
        key = flagged if relation.replica_identity == "d" else ()
    return TableInfo(
        oid=relation.oid,
        schema=relation.schema,
        name=relation.name,
        kind=table.kind if table else "r",
        columns=tuple(columns),
        key=key,
        replica_identity=relation.replica_identity,
        identity_key=flagged if relation.replica_identity == "i" else (),
        root_oid=table.root_oid if table else None,
    )
