"""A generation held still: one REPEATABLE READ transaction in which its rows and its offsets belong together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from headwater.worker.api import BUCKETS, Fatal, Fingerprint, Retriable, TopicPartition, bucket

from .canonical import compact, key_text, name_prefix, row_digest
from .connection import Connection, meaning
from .copy_out import copy_rows
from .kinds import Kind
from .offsets import stored
from .quoting import quoted
from .refused import Place, refused
from .state import ColumnState, TableState, exists, has_state, read_tables

_COLUMNS: Final = """
SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
_AS_STAGED: Final = ("text", "bytea", "uuid")
"""Kinds whose binary form is their canonical one."""


class PinnedReader:
    """Owns `connection`. Table locks keep a swap from changing the names while it reads.

    `tables` None: somebody dropped the part's table, it reads as empty. `refused`: see `worker.api.Reader`.
    """

    def __init__(
        self,
        connection: Connection,
        offsets: Mapping[TopicPartition, int],
        tables: Mapping[str, TableState | None],
        refused: Collection[Place] = frozenset(),
    ) -> None:
        self.offsets, self.refused = offsets, refused
        self._connection = connection
        self._tables = tables

    def fingerprint(self) -> dict[str, list[Fingerprint]]:
        found = {}
        for part, table in self._tables.items():
            buckets = found[part] = [Fingerprint() for _ in range(BUCKETS)]
            if table is None:
                continue
            decode = _Decoder(table)
            with meaning(f"reading {table.qualified}"):
                for fields in copy_rows(self._connection, decode.query):
                    buckets[bucket(decode.key(fields))].add(decode.digest(fields))
        return found

    def rows(self, part: str, buckets: Sequence[int]) -> Iterator[tuple[bytes, int, str]]:
        table = self._tables.get(part)
        if table is None:
            return
        wanted, decode = frozenset(buckets), _Decoder(table)
        with meaning(f"reading {table.qualified}"):
            for fields in copy_rows(self._connection, decode.query):
                key = decode.key(fields)
                if bucket(key) in wanted:
                    yield key, decode.digest(fields), decode.show(fields)

    def close(self) -> None:
        self._connection.close()


class _Decoder:
    """Digests of the rows of one table; the fields come in the order of the columns' names."""

    def __init__(self, table: TableState) -> None:
        self._columns = sorted((c for c in table.columns if c.name != table.version), key=lambda c: c.name)
        listed = ", ".join(map(_staged, self._columns))
        self.query = f"SELECT {listed} FROM {table.qualified}"  # noqa: S608
        self._forms = [(name_prefix(c.name), _canonical(c.kind)) for c in self._columns]
        self._keys = [(i, c.name, c.kind) for i, c in enumerate(self._columns) if c.key]

    def key(self, fields: Sequence[bytes | None]) -> bytes:
        return key_text([(name, kind, kind.unpack(fields[i] or b"")) for i, name, kind in self._keys])

    def digest(self, fields: Sequence[bytes | None]) -> int:
        return row_digest(
            [
                name + compact(form(field))
                for (name, form), field in zip(self._forms, fields, strict=True)
                if field is not None
            ]
        )

    def show(self, fields: Sequence[bytes | None]) -> str:
        return ", ".join(
            f"{c.name}={'null' if field is None else c.kind.show(c.kind.unpack(field))}"
            for c, field in zip(self._columns, fields, strict=True)
        )


def _canonical(kind: Kind) -> Callable[[bytes], bytes]:
    if kind.sql in _AS_STAGED:
        return bytes
    if kind.sql in ("smallint", "integer", "bigint"):
        return lambda field: b"%d" % int.from_bytes(field, "big", signed=True)
    if kind.sql.startswith("numeric") and kind.item is None:  # the server writes plain digits, never an exponent
        return lambda field: field.rstrip(b"0").rstrip(b".") if b"." in field else field
    canonical, unpack = kind.canonical, kind.unpack
    return lambda field: canonical(unpack(field))


def _staged(column: ColumnState) -> str:
    name = quoted(column.name)
    return name if column.sql == column.kind.staged else f"CAST({name} AS {column.kind.staged})"


def pin(connect: Callable[[], Connection], state: str, view: str, generation: int) -> PinnedReader:
    """Open a reader. Raises `Fatal` where the generation does not exist, `Retriable` where a swap came in between."""
    connection = connect()
    try:
        with meaning(f"opening a reader of generation {generation} of {view}"):
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            if not has_state(connection, state):
                raise Fatal(f"the database has no schema {state} with Headwater's tables: somebody dropped it, or it "
                            f"is another database than the view {view} lives in; rebuild the view")  # fmt: skip
            _check_exists(connection, state, view, generation)
            offsets = stored(connection, state, view, generation)
            skipped = refused(connection, state, view, generation)
            tables = read_tables(connection, state, view, generation)
            standing = {part: _as_it_stands(connection, table) for part, table in tables.items()}
            with connect() as now:  # the snapshot may be older than a swap, the locks are not
                if _names(read_tables(now, state, view, generation)) != _names(tables):
                    raise Retriable(f"generation {generation} of {view} was swapped while a reader was opened")
    except BaseException:
        connection.close()
        raise
    return PinnedReader(connection, offsets, standing, skipped)


def _as_it_stands(connection: Connection, table: TableState) -> TableState | None:
    """The table, locked, without columns that somebody dropped; None: the table itself was dropped."""
    if not exists(connection, table):
        return None
    connection.execute(f"LOCK TABLE {table.qualified} IN ACCESS SHARE MODE")
    there = {name for (name,) in connection.execute(_COLUMNS, [table.qualified])}
    gone = [column.name for column in table.keys if column.name not in there]
    if gone:
        raise Fatal(f"the key column {gone[0]} of {table.qualified} was dropped by somebody; rebuild the view")
    return replace(table, columns=tuple(column for column in table.columns if column.name in there))


def _check_exists(connection: Connection, state: str, view: str, generation: int) -> None:
    row = connection.execute(
        f"SELECT 1 FROM {state}.generations WHERE view = %s AND generation = %s",  # noqa: S608
        [view, generation],
    ).fetchone()
    if row is None:
        raise Fatal(f"the database has no generation {generation} of the view {view}")


def _names(tables: Mapping[str, TableState]) -> dict[str, Any]:
    return {part: table.qualified for part, table in tables.items()}
