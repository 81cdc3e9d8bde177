"""Writing the changes of one table: COPY into a temporary table, then one upsert and one delete a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import psycopg

from headwater.connectors.debezium.placeholder import Placeholder
from headwater.worker.api import DataError, Fatal, Record

from .connection import Connection, is_bad_data, meant
from .meanings import INSERT, UPDATE, UPSERT
from .packing import HEADER, NULL, TRAILER, Field, Packer, value_of
from .quoting import literal, quoted
from .rows import Change, Op, Plan
from .state import ColumnState, TableState

KEY_TEXT: Final = "__key"
"""Staging column for `deletions.key`."""
EVERY_KEY: Final = ""
"""The `deletions.key` of truncates."""

Report = Callable[[Record, Exception], None]


@dataclass(slots=True)
class Batch:
    """The last state of each row that a list of changes leaves. A row is None where it was deleted."""

    table: TableState
    mode: str = UPSERT
    rows: dict[bytes, list[Field] | None] = field(default_factory=dict)
    keys: dict[bytes, list[bytes]] = field(default_factory=dict)
    texts: dict[bytes, str] = field(default_factory=dict)
    versions: dict[bytes, int] = field(default_factory=dict)
    unversioned: dict[bytes, Record] = field(default_factory=dict)
    """Rows whose last record has no version of its own: its offset counts."""

    def add(self, change: Change, packer: Packer) -> bool:
        """False: the change belongs into a batch of its own, after this one, because the database has to say whether
        its row is there: with `insert` where the row is named twice, with `update` after a delete.

        Raises `DataError`, with nothing added; `Fatal` for kinds of versions that have no order.
        """
        upsert = change.op is Op.UPSERT
        fields = packer.row(change) if upsert else packer.key_row(change)
        key = packer.key_of(change, fields)
        name = b"".join(key) if len(key) > 1 else key[0]
        row = fields if upsert else None
        if name in self.rows and (self.mode == INSERT or (self.mode == UPDATE and self.rows[name] is None)):
            return False
        if self.table.version:
            version = version_of(change.record)
            if version < self.versions.get(name, version):
                if change.record.version is None:
                    raise mixed(change.record, self.table, _key_text(self.table, change))
                return True
            self.unversioned.pop(name, None)
            if change.record.version is None:
                self.unversioned[name] = change.record
            self.versions[name] = version
            self.texts[name] = _key_text(self.table, change)
            if row is not None:
                row[self._version_at()] = b"\0\0\0\x08" + version.to_bytes(8, "big", signed=True)
        if row is not None and None in row:
            earlier = self.rows.get(name)
            if name in self.rows:
                row = [(NULL if earlier is None else earlier[i]) if f is None else f for i, f in enumerate(row)]
        self.rows[name] = row
        self.keys[name] = key
        return True

    def _version_at(self) -> int:
        return next(i for i, column in enumerate(self.table.columns) if column.name == self.table.version)


def version_of(record: Record) -> int:
    """The record's version; in topics without one its offset, which orders one partition of one topic."""
    version = record.offset if record.version is None else record.version
    if version is None:
        raise DataError(f"{record.where()}: the record has neither a version nor an offset")
    return version


def mixed(record: Record, table: TableState, key: str) -> Fatal:
    """A record without a version would be lost as if it were old, where in its topic it is the newest."""
    return Fatal(
        f"{record.where()}: {table.part} has a newer version of the row {key} than this record's offset, which counts "
        "because the record has no headwater.version: another program writes to the topic, or several topics without "
        "versions write the same row, so nobody can tell which is newer. Nothing of the batch was written. Feed the "
        "table from one topic, set version.column: none and rebuild the view: then the topic's order counts"
    )


def _key_text(table: TableState, change: Change) -> str:
    cells = {cell.name: cell for cell in change.plan.cells}
    pieces = []
    for column in table.keys:
        cell = cells[column.name]
        pieces.append(f"{column.name}={column.kind.show(cell.column.read(value_of(change, cell)))}")
    return ",".join(pieces)


class Writer:
    """Writes changes of tables over one connection; staging tables live as long as that."""

    def __init__(
        self, connection: Connection, state: str, view: str, generation: int, placeholder: str, mode: str = UPSERT
    ) -> None:
        self._connection = connection
        self._mode = mode
        self._deletions = f"{state}.deletions"
        self._scope = f"{literal(view)}, {generation}"
        self._placeholder = Placeholder(placeholder)
        self._packers: dict[tuple[int, int], tuple[TableState, Plan, Packer]] = {}
        self._staged: set[str] = set()
        self._used: set[str] = set()

    def begin(self) -> None:
        """Call at the start of each transaction: staging tables are empty then."""
        self._used.clear()

    def rolled_back(self) -> None:
        """Call where the transaction failed: staging tables made in it are gone."""
        self._staged.clear()

    def apply(self, table: TableState, changes: Sequence[Change], report: Report) -> None:
        """Write the changes, in order; what the database refuses goes to `report`, the others are written."""
        while changes:
            changes = self._apply_first(table, changes, report)

    def _apply_first(self, table: TableState, changes: Sequence[Change], report: Report) -> Sequence[Change]:
        """Write as many as one batch may hold; returns the others."""
        batch = Batch(table, self._mode)
        good: list[Change] = []
        others: Sequence[Change] = ()
        for at, change in enumerate(changes):
            try:
                if not batch.add(change, self._packer(table, change.plan)):
                    others = changes[at:]
                    break
                good.append(change)
            except DataError as error:
                report(change.record, error)
        self._prepare(batch)
        try:
            with self._connection.transaction():
                self._write(batch)
        except psycopg.Error as error:
            if not is_bad_data(error):
                raise
            if len(good) == 1:
                record = good[0].record
                report(record, self._refused(error, record, table))
                return others
            middle = len(good) // 2
            self.apply(table, good[:middle], report)
            self.apply(table, good[middle:], report)
        return others

    def _refused(self, error: psycopg.Error, record: Record, table: TableState) -> Exception:
        found = meant(error, f"{record.where()}: writing to {table.part}")
        if self._mode == INSERT and isinstance(error, psycopg.errors.UniqueViolation):
            return DataError(f"{found}; insert.mode is insert, which takes each key once: upsert lets the newest win")
        return found

    def truncate(self, table: TableState, record: Record) -> None:
        """DELETE, not TRUNCATE: readers with older snapshots go on seeing the rows. Where versions are compared, newer
        rows stay, and older ones do not come back later."""
        if not table.version or record.version is None:
            self._refuse_mixed_truncate(table, record)
            self._connection.execute(f"DELETE FROM {table.qualified}")  # noqa: S608
            return
        self._connection.execute(
            f"INSERT INTO {self._deletions} AS d VALUES ({self._scope}, {literal(table.part)}, %s, %s) "  # noqa: S608
            "ON CONFLICT (view, generation, part, key) DO UPDATE SET version = greatest(d.version, excluded.version)",
            [EVERY_KEY, record.version],
        )
        version = quoted(table.version)
        self._connection.execute(
            f"DELETE FROM {table.qualified} WHERE {version} IS NULL OR {version} <= %s",  # noqa: S608
            [record.version],
        )

    def _refuse_mixed_truncate(self, table: TableState, record: Record) -> None:
        """Raises `Fatal` where a truncate without a version meets newer rows, of other topics perhaps."""
        if not table.version or len(table.topics) == 1:
            return
        newer = f"SELECT EXISTS (SELECT FROM {table.qualified} WHERE {quoted(table.version)} > %s)"  # noqa: S608
        found = self._connection.execute(newer, [version_of(record)]).fetchone()
        if found and found[0]:
            raise mixed(record, table, "(any)")

    def _packer(self, table: TableState, plan: Plan) -> Packer:
        marker = (id(table), id(plan))
        found = self._packers.get(marker)
        if found is None or found[0] is not table or found[1] is not plan:
            packer = Packer(table, plan, self._placeholder, keeps=self._mode == UPDATE)
            found = self._packers[marker] = (table, plan, packer)
        return found[2]

    def _write(self, batch: Batch) -> None:
        deleted = [name for name, row in batch.rows.items() if row is None]
        if deleted:
            self._delete(batch, deleted)
        groups: dict[tuple[int, ...], list[bytes]] = {}
        for name, row in batch.rows.items():
            if row is not None:
                unchanged = tuple(i for i, value in enumerate(row) if value is None) if None in row else ()
                groups.setdefault(unchanged, []).append(name)
        for unchanged, names in groups.items():
            self._upsert(batch, unchanged, names)

    def _upsert(self, batch: Batch, unchanged: tuple[int, ...], names: list[bytes]) -> None:
        table = batch.table
        kept = [i for i in range(len(table.columns)) if i not in unchanged]
        columns = [table.columns[i] for i in kept]
        rows: Iterable[list[bytes]] = (batch.rows[name] for name in names)  # type: ignore[misc]  # upserts alone
        if unchanged:
            rows = ([row[i] for i in kept] for row in rows)
        stage = self._copy(table, columns, rows, [batch.texts[name] for name in names] if table.version else None)
        self._refuse_mixed(batch, names, stage)
        if self._mode == UPDATE:
            self._update(table, columns, stage)
            return
        listed = ", ".join(quoted(c.name) for c in columns)
        sql = f"INSERT INTO {table.qualified} AS t ({listed}) SELECT {', '.join(map(_cast, columns))} FROM {stage} s "  # noqa: S608
        if table.version:
            deleted, emptied = self._newer_deletions(table)
            sql += f"WHERE NOT EXISTS ({deleted}) AND NOT EXISTS ({emptied}) "
        if self._mode == INSERT:
            self._connection.execute(sql)
            return
        sql += f"ON CONFLICT ({', '.join(quoted(c.name) for c in table.keys)}) "
        changed = ", ".join(f"{quoted(c.name)} = excluded.{quoted(c.name)}" for c in columns if not c.key)
        sql += f"DO UPDATE SET {changed}" if changed else "DO NOTHING"
        if changed and table.version:
            version = quoted(table.version)
            sql += f" WHERE t.{version} IS NULL OR t.{version} <= excluded.{version}"
        self._connection.execute(sql)

    def _update(self, table: TableState, columns: Sequence[ColumnState], stage: str) -> None:
        changed = ", ".join(f"{quoted(c.name)} = {_cast(c)}" for c in columns if not c.key)
        if not changed:
            return
        sql = f"UPDATE {table.qualified} t SET {changed} FROM {stage} s WHERE {_matched(table)}"  # noqa: S608
        if table.version:
            version = quoted(table.version)
            sql += f" AND (t.{version} IS NULL OR t.{version} <= s.{version})"
        self._connection.execute(sql)

    def _delete(self, batch: Batch, names: list[bytes]) -> None:
        table = batch.table
        columns = list(table.keys)
        rows: Iterable[list[bytes]] = (batch.keys[name] for name in names)
        if table.version:
            columns.append(table.names[table.version])
            rows = (
                [*batch.keys[name], b"\0\0\0\x08" + batch.versions[name].to_bytes(8, "big", signed=True)]
                for name in names
            )
        stage = self._copy(table, columns, rows, [batch.texts[name] for name in names] if table.version else None)
        self._refuse_mixed(batch, names, stage)
        sql = f"DELETE FROM {table.qualified} t USING {stage} s WHERE {_matched(table)}"  # noqa: S608
        if table.version:
            version = quoted(table.version)
            sql += f" AND (t.{version} IS NULL OR t.{version} <= s.{version})"
            self._connection.execute(
                f"INSERT INTO {self._deletions} AS d SELECT {self._scope}, {literal(table.part)}, s.{KEY_TEXT}, "  # noqa: S608
                f"s.{version} FROM {stage} s ON CONFLICT (view, generation, part, key) "
                "DO UPDATE SET version = greatest(d.version, excluded.version)"
            )
        self._connection.execute(sql)

    def _refuse_mixed(self, batch: Batch, names: Iterable[bytes], stage: str) -> None:
        """Raises `Fatal` where a record without a version meets a row with a newer one."""
        table = batch.table
        records = {batch.texts[name]: batch.unversioned[name] for name in names if name in batch.unversioned}
        if not records or not table.version:
            return
        version = quoted(table.version)
        deleted, emptied = self._newer_deletions(table)
        found = self._connection.execute(
            f"SELECT s.{KEY_TEXT} FROM {stage} s WHERE s.{KEY_TEXT} = ANY(%s) AND (EXISTS (SELECT FROM "  # noqa: S608
            f"{table.qualified} t WHERE {_matched(table)} AND t.{version} > s.{version}) "
            f"OR EXISTS ({deleted}) OR EXISTS ({emptied})) LIMIT 1",
            [list(records)],
        ).fetchone()
        if found is not None:
            raise mixed(records[found[0]], table, found[0])

    def _newer_deletions(self, table: TableState) -> tuple[str, str]:
        """Queries: of the key of a staged row `s`, and of every key."""
        assert table.version is not None
        newer = (
            f"SELECT FROM {self._deletions} d WHERE (d.view, d.generation) = ({self._scope}) "
            f"AND d.part = {literal(table.part)} AND d.version > s.{quoted(table.version)} AND d.key = "
        )
        return f"{newer}s.{KEY_TEXT}", f"{newer}{literal(EVERY_KEY)}"

    def _prepare(self, batch: Batch) -> None:
        """Staging tables are made outside the savepoint, so that a refused batch does not take them with it."""
        table = batch.table
        patterns = {
            tuple(i for i, value in enumerate(row) if value is None) if None in row else ()
            for row in batch.rows.values()
            if row is not None
        }
        for unchanged in patterns:
            self._stage(table, [c for i, c in enumerate(table.columns) if i not in unchanged])
        if None in batch.rows.values():
            version = [table.names[table.version]] if table.version else []
            self._stage(table, [*table.keys, *version])

    def _stage(self, table: TableState, columns: Sequence[ColumnState]) -> str:
        """The staging table for these columns, which is made where it is missing."""
        spec = ", ".join(f"{quoted(c.name)} {c.kind.staged}" for c in columns)
        if table.version:
            spec += f", {KEY_TEXT} text"
        name = "hw_" + hashlib.blake2b(spec.encode(), digest_size=12).hexdigest()
        if name not in self._staged:
            self._connection.execute(f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} ({spec}) ON COMMIT DELETE ROWS")
            self._staged.add(name)
        return f"pg_temp.{name}"

    def _copy(
        self, table: TableState, columns: Sequence[ColumnState], rows: Iterable[Sequence[bytes]], keys: list[str] | None
    ) -> str:
        stage = self._stage(table, columns)
        if stage in self._used:
            self._connection.execute(f"DELETE FROM {stage}")  # noqa: S608
        self._used.add(stage)
        width = (len(columns) + (keys is not None)).to_bytes(2, "big")
        out = [HEADER]
        if keys is None:
            for row in rows:
                out.append(width)
                out += row
        else:
            for row, key in zip(rows, keys, strict=True):
                text = key.encode()
                out += (width, *row, len(text).to_bytes(4, "big"), text)
        out.append(TRAILER)
        with self._connection.cursor().copy(f"COPY {stage} FROM STDIN (FORMAT binary)") as copy:
            copy.write(b"".join(out))
        return stage


def _matched(table: TableState) -> str:
    return " AND ".join(f"t.{quoted(c.name)} = {_cast(c)}" for c in table.keys)


def _cast(column: ColumnState) -> str:
    value = f"s.{quoted(column.name)}"
    return value if column.sql == column.kind.staged else f"CAST({value} AS {column.sql})"
