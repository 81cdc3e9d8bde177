"""Making a generation, finishing its load, taking it away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from headwater.worker.api import DataError, Fatal, Record, Values

from .connection import Connection
from .packing import origin_topic
from .quoting import qualified
from .rows import Op, Rows
from .secondary import copy_secondary
from .state import TableState, exists, is_there, lock_tables, read_tables, write_table
from .tables import Builder, fits


@dataclass(frozen=True, slots=True)
class Building:
    """Works on one view's generations over one autocommit connection."""

    values: Values
    view: str
    connection: Connection

    @property
    def _state(self) -> str:
        return str(self.values["state.schema"])

    def create(self, number: int, samples: Mapping[str, Record], default_schema: str) -> None:
        """Tables of a new generation, all under names of its own, with nothing but their keys."""
        rows = Rows(self.values, default_schema)
        with self.connection.transaction():
            lock_tables(self.connection, self._state, self.view)
            row = self.connection.execute(
                f"INSERT INTO {self._state}.generations (view, generation, current, complete) "  # noqa: S608
                "VALUES (%s, %s, false, false) ON CONFLICT (view, generation) DO UPDATE SET revision = "
                "generations.revision RETURNING current",
                [self.view, number],
            ).fetchone()
            if row is not None and row[0]:
                raise Fatal(f"generation {number} of {self.view} is the one that readers see and is not built again")
            builder = Builder(self.values, self._state, self.view, number, current=False)
            tables = read_tables(self.connection, self._state, self.view, number)
            for topic in sorted(samples):
                change = rows.change(samples[topic])
                if change is None or change.op is not Op.UPSERT:
                    continue
                table = tables.get(change.plan.part)
                if not fits(table, change.plan, origin_topic(change.record)):
                    made = builder.evolve(self.connection, table, change.plan, origin_topic(change.record))
                    tables[change.plan.part] = made

    def finish_load(self, number: int, current: int | None) -> None:
        """Secondary indexes and constraints as the current generation has them, statistics, the mark `complete`."""
        live: Mapping[str, TableState] = {}
        if current is not None and current != number:
            live = read_tables(self.connection, self._state, self.view, current)
        for part, table in read_tables(self.connection, self._state, self.view, number).items():
            if part in live and exists(self.connection, live[part]):
                copy_secondary(self.connection, live[part], table, number)
            self.connection.execute(f"ANALYZE {table.qualified}")
            if not table.indexed:
                with self.connection.transaction():
                    lock_tables(self.connection, self._state, self.view)
                    newest = read_tables(self.connection, self._state, self.view, number)[part]
                    write_table(self.connection, self._state, self.view, number, replace(newest, indexed=True))
        self.connection.execute(
            f"UPDATE {self._state}.generations SET complete = true WHERE view = %s AND generation = %s",  # noqa: S608
            [self.view, number],
        )

    def drop(self, number: int) -> None:
        """Raises `Fatal` for the current generation and where others depend on its tables."""
        with self.connection.transaction():
            self.connection.execute(
                f"SELECT 1 FROM {self._state}.offsets WHERE view = %s AND generation = %s "  # noqa: S608
                "ORDER BY topic, partition FOR UPDATE",
                [self.view, number],
            )
            lock_tables(self.connection, self._state, self.view)
            row = self.connection.execute(
                f"SELECT current FROM {self._state}.generations WHERE view = %s AND generation = %s",  # noqa: S608
                [self.view, number],
            ).fetchone()
            if row is not None and row[0]:
                raise Fatal(f"generation {number} of {self.view} is the one that readers see: it is not dropped")
            for table in read_tables(self.connection, self._state, self.view, number).values():
                self.connection.execute(f"DROP TABLE IF EXISTS {table.qualified}")
            for name in ("offsets", "tables", "deletions", "refused", "generations"):
                if not is_there(self.connection, qualified(self._state, name)):
                    continue  # "refused" is younger than the others
                self.connection.execute(
                    f"DELETE FROM {self._state}.{name} WHERE view = %s AND generation = %s",  # noqa: S608
                    [self.view, number],
                )


def shapes(values: Values, default_schema: str, samples: Mapping[str, Record]) -> dict[str, dict[str, str]]:
    """What the samples' tables would look like: column types by name, by part. Raises `DataError`."""
    rows, found = Rows(values, default_schema), dict[str, dict[str, str]]()
    for topic in sorted(samples):
        change = rows.change(samples[topic])
        if change is not None and change.op is Op.UPSERT:
            columns = found.setdefault(change.plan.part, {})
            columns |= {cell.name: cell.column.kind.sql for cell in change.plan.cells}
            if not any(cell.key for cell in change.plan.cells):
                raise DataError(f"{topic}: the records have no key")
    return found
