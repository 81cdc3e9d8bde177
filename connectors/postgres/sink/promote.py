"""The swap: in one short transaction the public names pass from one generation's tables to another's.

Order of locks, the same as the writers': offset rows, then `lock_tables`, then the tables. The commit point is the
`current` mark in `generations`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from headwater.worker.api import Fatal, Retriable, Values

from .carry import carry_over, demote_names, move_triggers, promote_names, view_statement
from .connection import Connection, meaning
from .dependents import Dependents, dependents_of, obstacles
from .existing import real_types
from .naming import generation_name
from .old_snapshots import wait_for_older
from .quoting import qualified, quoted
from .state import TableState, bump, exists, is_there, lock_tables, read_tables, write_table

Tables = dict[str, TableState]


@dataclass(frozen=True, slots=True)
class Swap:
    """`connect` opens a connection that is closed after use."""

    values: Values
    view: str
    connect: Callable[[], Connection]

    def promote(self, number: int, instead_of: int | None) -> None:
        """See `Generations.promote`. Retries while others hold locks; then raises `Retriable`."""
        with meaning(f"promoting generation {number} of {self.view}"), self.connect() as connection:
            if self._is_done(connection, number, instead_of):
                return
            deadline = time.monotonic() + self.values["swap.wait.timeout.ms"] / 1000
            wait_for_older(connection, self.values["swap.wait.timeout.ms"] / 1000)
            pause = 0.1
            while True:
                try:
                    with connection.transaction():
                        self._swap(connection, number, instead_of)
                    return
                except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
                    if time.monotonic() > deadline:
                        raise Retriable(
                            f"generation {number} of {self.view} could not be swapped in: its tables are always in "
                            "use by others; the generation that readers see is unchanged"
                        ) from error
                    time.sleep(pause)
                    pause = min(10.0, pause * 2)

    def _is_done(self, connection: Connection, number: int, instead_of: int | None) -> bool:
        rows = connection.execute(
            f"SELECT generation, current FROM {self._state}.generations WHERE view = %s",  # noqa: S608
            [self.view],
        ).fetchall()
        current = next((generation for generation, is_current in rows if is_current), None)
        if number not in {row[0] for row in rows}:
            raise Fatal(f"the database has no generation {number} of the view {self.view}")
        if current == number:
            return True
        if current != instead_of:
            raise Fatal(f"readers of {self.view} see generation {current}, not {instead_of}: look at `headwater views`")
        return False

    @property
    def _state(self) -> str:
        return str(self.values["state.schema"])

    def _swap(self, connection: Connection, number: int, instead_of: int | None) -> None:
        connection.execute(f"SET LOCAL lock_timeout = {self.values['swap.lock.timeout.ms']}")
        connection.execute("SET LOCAL search_path = pg_catalog")  # every name that the server gives is qualified
        both = [n for n in (number, instead_of) if n is not None]
        connection.execute(
            f"SELECT 1 FROM {self._state}.offsets WHERE view = %s AND generation = ANY(%s) "  # noqa: S608
            "ORDER BY generation, topic, partition FOR UPDATE",
            [self.view, both],
        )
        lock_tables(connection, self._state, self.view)
        if self._is_done(connection, number, instead_of):
            return
        new = read_tables(connection, self._state, self.view, number)
        old = {} if instead_of is None else self._standing(connection, instead_of)
        for table in sorted((*old.values(), *new.values()), key=lambda t: t.qualified):
            connection.execute(f"LOCK TABLE {table.qualified} IN ACCESS EXCLUSIVE MODE")
        dependents = {part: dependents_of(connection, table) for part, table in old.items()}
        self._check(connection, dependents, old, new)
        views = sorted({view.oid for found in dependents.values() for view in found.views})
        statements = [view_statement(connection, oid) for oid in views]
        self._rename(connection, old, new, dependents, (number, instead_of or 0))
        for statement in statements:
            connection.execute(statement)
        connection.execute(
            f"UPDATE {self._state}.generations SET current = false WHERE view = %s AND current",  # noqa: S608
            [self.view],
        )
        connection.execute(
            f"UPDATE {self._state}.generations SET current = true, complete = true "  # noqa: S608
            "WHERE view = %s AND generation = %s",
            [self.view, number],
        )
        bump(connection, self._state, self.view, both)

    def _standing(self, connection: Connection, generation: int) -> Tables:
        """The generation's tables without those that somebody dropped; these give their names free."""
        tables = read_tables(connection, self._state, self.view, generation)
        for part, table in list(tables.items()):
            if not exists(connection, table):
                renamed = table.renamed(generation_name(table.table, generation))
                write_table(connection, self._state, self.view, generation, renamed)
                del tables[part]
        return tables

    def _check(self, connection: Connection, dependents: dict[str, Dependents], old: Tables, new: Tables) -> None:
        reasons: list[str] = []
        for part, found in dependents.items():
            other = new.get(part)
            types = None if other is None else real_types(connection, other, lengths=True)
            reasons += obstacles(found, part, real_types(connection, old[part], lengths=True), types)
        for part, table in new.items():
            schema, public = part.split(".", 1)
            if part not in old and table.table != public and is_there(connection, qualified(schema, public)):
                reasons.append(f"{part} exists and is not of this view: drop or rename it")
        if reasons:
            raise Fatal(f"the swap of {self.view} is blocked: {'; '.join(reasons)}")

    def _rename(
        self, connection: Connection, old: Tables, new: Tables, dependents: dict[str, Dependents],
        numbers: tuple[int, int],
    ) -> None:  # fmt: skip
        """Names first, all old ones before the new; then what passes over."""
        number, instead_of = numbers
        names = {part: demote_names(connection, table, instead_of) for part, table in old.items()}
        demoted = {
            part: self._rename_table(connection, table, generation_name(table.table, instead_of), instead_of)
            for part, table in old.items()
        }
        for part, table in new.items():
            promote_names(connection, table, number, names.get(part, []))
            promoted = self._rename_table(connection, table, part.split(".", 1)[1], number)
            if part in demoted:
                carry_over(connection, demoted[part], promoted, frozenset(real_types(connection, promoted)))
                move_triggers(connection, demoted[part], promoted, dependents[part].triggers)

    def _rename_table(self, connection: Connection, table: TableState, name: str, generation: int) -> TableState:
        if name != table.table:
            connection.execute(f"ALTER TABLE {table.qualified} RENAME TO {quoted(name)}")
        renamed = table.renamed(name)
        write_table(connection, self._state, self.view, generation, renamed)
        return renamed
