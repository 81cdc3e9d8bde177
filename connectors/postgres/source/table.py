"""A captured table with all that is needed to read it and to make records of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from headwater.connectors.debezium.source_block import SourceBlock, source_blocks
from headwater.worker.api import Fatal, Header, Type, primitive

from ..catalog import TableInfo, Types, read_tables, read_types
from . import chunks, server
from .codec import TableCodec
from .connection import Connection, rows
from .events import TableEvents
from .masking import Masking
from .pgoutput import Relation
from .publication import Publication, PublishedTable
from .relation import with_relation
from .settings import Settings
from .tables import TableFilter

VERSION = "3.7.0.Final"
"""What `source.version` says: the version of Debezium whose events these are."""


@dataclass(frozen=True, slots=True)
class SnapshotTable:
    """`relation`: how to read it; `events`: what its rows become. `rows`: the server's estimate, -1: unknown."""

    oid: int
    relation: chunks.Relation
    events: TableEvents = field(repr=False)
    rows: int

    @property
    def full_name(self) -> str:
        return self.relation.full_name

    @property
    def key_places(self) -> tuple[int, ...]:
        """Where the columns that order the table stand in a row."""
        return tuple(self.relation.columns.index(name) for name in self.relation.key)


class Describer:
    """Knows the catalog through one connection; makes `TableEvents` for snapshot and stream alike."""

    def __init__(self, connection: Connection, settings: Settings, filter: TableFilter, task: int = 0) -> None:
        self.connection = connection
        self.settings = settings
        self.filter = filter
        self._masking = Masking(settings.raw)
        self._types = Types(lambda: read_types(connection))
        self._block: SourceBlock = source_blocks(VERSION, settings.prefix, settings["database.dbname"])
        self._headers = _context_headers(settings, task) if settings["extended.headers.enabled"] else ()

    def refresh_types(self) -> None:
        """Enum labels may have been added."""
        self._types.refresh()

    def tables(self, oids: Sequence[int], publication: Publication, estimates: dict[int, int]) -> list[SnapshotTable]:
        """In the order of `oids`; tables that are gone are left out."""
        found = read_tables(self.connection, oids)
        types = self._key_types(oids)
        described = []
        for oid in oids:
            if (info := found.get(oid)) is None:
                continue
            published = publication.tables.get(info.full_name, PublishedTable())
            key = self.key_of(info)
            order = info.key or info.identity_key
            columns = self._columns(info, published, publication.generated, (*key, *order))
            relation = chunks.Relation(
                info.schema, info.name, info.kind, columns, order, tuple(types[oid, name] for name in order),
                self.settings.overrides.get(info.full_name), published.where,
            )  # fmt: skip
            described.append(SnapshotTable(oid, relation, self._events(info, columns, key), estimates.get(oid, -1)))
        return described

    def streamed(self, relation: Relation) -> TableEvents:
        """For a table as the stream announces it."""
        known = read_tables(self.connection, [relation.oid]).get(relation.oid)
        info = with_relation(known, relation)
        self.refresh_types()
        delivered = [column.name for column in relation.columns]
        return self._events(info, delivered, self.key_of(info))

    def key_of(self, info: TableInfo) -> tuple[str, ...]:
        """The columns of the key: message.key.columns, else those that the server sends with deletes.

        Raises `Fatal` where message.key.columns names columns that the server does not send with deletes.
        """
        identity = info.identity_key if info.replica_identity == "i" else info.key
        if chosen := self.filter.key_columns(info.full_name):
            if info.replica_identity != "f" and not set(chosen) <= set(identity):
                raise Fatal(
                    f"{info.full_name}: message.key.columns names {', '.join(chosen)}, which the server does not send "
                    f'with updates and deletes. Run ALTER TABLE "{info.schema}"."{info.name}" REPLICA IDENTITY FULL'
                )
            return chosen
        if info.replica_identity == "i" and not set(info.key) <= set(identity):
            return identity
        return info.key or identity

    def raw_reader(self, table: TableInfo, columns: Sequence[str], key: Sequence[str]) -> chunks.Relation:
        """To read `columns` of rows by `key`."""
        types = self._key_types([table.oid])
        known = tuple(types[table.oid, name] for name in key if (table.oid, name) in types)
        return chunks.Relation(table.schema, table.name, table.kind, tuple(columns), tuple(key), known)

    def _events(self, info: TableInfo, delivered: Sequence[str], key: Sequence[str]) -> TableEvents:
        def include(column: object) -> bool:
            name = getattr(column, "name", "")
            return self.filter.captures_column(info.schema, info.name, name)

        settings = self.settings
        codec = TableCodec(info, self._types, settings.modes, settings.prefix, delivered, include, key, self._masking)
        return TableEvents(
            self.settings.topic(info.schema, info.name), codec, delivered, self._block,
            self.settings["tombstones.on.delete"], self._headers,
        )  # fmt: skip

    def _columns(
        self, info: TableInfo, published: PublishedTable, generated: bool, key: Sequence[str]
    ) -> tuple[str, ...]:
        """What to read: what the stream would bring, without columns that the filter keeps out anyway."""
        names = []
        for column in info.columns:
            sent = published.columns is None or column.name in published.columns
            if column.generated and (published.columns is None or server.version(self.connection) < 180_000):
                sent = generated and column.generated == "s"  # before 18 the list names them although they are not sent
            if sent and (column.name in key or self.filter.captures_column(info.schema, info.name, column.name)):
                names.append(column.name)
        return tuple(names)

    def _key_types(self, oids: Iterable[int]) -> dict[tuple[int, str], str]:
        # format_type with typmod -1: character(3) would cut, bpchar does not
        found = rows(
            self.connection,
            "SELECT attrelid::int8, attname::text, format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = "
            "ANY(%s::oid[]) AND attnum > 0 AND NOT attisdropped",
            [list(oids)],
        )
        return {(oid, name): type for oid, name, type in found}


def _context_headers(settings: Settings, task: int) -> tuple[Header, ...]:
    """Debezium's io.debezium.connector.common.DebeziumHeaderProducer, but for the run's id."""
    text = primitive(Type.STRING)
    prefix = "__debezium.context."
    return (
        Header(f"{prefix}connectorLogicalName", settings.prefix, text),
        Header(f"{prefix}taskId", str(task), text),
        Header(f"{prefix}connectorName", "postgresql", text),
    )
