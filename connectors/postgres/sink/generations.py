"""All generations of one Postgres view: the `Generations` that a rebuild works with.

With insert.mode: update there is nothing to build or compare: the rows come from elsewhere, and the log cannot say
which there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from headwater.worker.api import (
    ExpectedRow,
    Fatal,
    Finding,
    GenerationInfo,
    Record,
    TopicPartition,
    Values,
)

from .building import Building
from .connection import Connection, connect, meaning
from .expect import Expectation
from .meanings import changes_only, is_log
from .offsets import stored
from .preflight import preflight
from .promote import Swap
from .reader import PinnedReader, pin
from .secondary import missing_secondary
from .state import TableState, has_state, open_state, read_tables

Findings = list[Finding]  # inside the class, `list` is a method

_LIST = """
SELECT g.generation, g.current, g.complete, (extract(epoch FROM g.created_at) * 1000)::bigint,
  coalesce(array_agg(t.part ORDER BY t.part) FILTER (WHERE t.part IS NOT NULL), '{{}}'),
  sum(nullif(c.reltuples, -1))::bigint, sum(pg_total_relation_size(c.oid))::bigint
FROM {state}.generations g
LEFT JOIN {state}.tables t ON t.view = g.view AND t.generation = g.generation
LEFT JOIN pg_namespace n ON n.nspname = t.table_schema
LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name
WHERE g.view = %s GROUP BY 1, 2, 3, 4 ORDER BY 1
"""


NOT_OURS = (
    "insert.mode is update: the view changes rows that others put into its tables, so the log alone cannot say what "
    "they should hold; it can be neither rebuilt nor verified"
)


class PostgresGenerations:
    """Parts are logical tables, `schema.table` by their public names, so that generations compare."""

    def __init__(self, values: Values, view: str) -> None:
        self._values = values
        self._view = view
        self.every_record = is_log(values)
        self.rows_of_others = NOT_OURS if changes_only(values) else ""
        self._state: str = values["state.schema"]
        self._connection: Connection | None = None
        self._expectation: Expectation | None = None
        self._versioned: dict[str, bool] = {}

    def list(self) -> list[GenerationInfo]:
        connection = self._connected()
        with meaning(f"listing the generations of {self._view}"):
            if not has_state(connection, self._state):
                return []
            rows = connection.execute(_LIST.format(state=self._state), [self._view]).fetchall()
        return [
            GenerationInfo(n, current, done, ms, tuple(p), rows, size) for n, current, done, ms, p, rows, size in rows
        ]

    def preflight(self, samples: Mapping[str, Record]) -> Findings:
        if self.rows_of_others:
            fix = "let a connector of another name, with insert.mode: upsert, have tables of its own"
            return [Finding("error", "insert.mode", self.rows_of_others, fix)]
        connection = self._connected()
        with meaning(f"looking at the tables of {self._view}"):
            return preflight(connection, self._values, self._live(), samples, self._default_schema())

    def create(self, number: int, samples: Mapping[str, Record]) -> None:
        if self.rows_of_others:
            raise Fatal(self.rows_of_others)
        connection = self._connected()
        with meaning(f"making generation {number} of {self._view}"):
            open_state(connection, self._state)
            self._building().create(number, samples, self._default_schema())

    def offsets(self, number: int) -> dict[TopicPartition, int]:
        connection = self._connected()
        with meaning(f"reading the offsets of generation {number} of {self._view}"):
            if not has_state(connection, self._state):
                return {}
            return stored(connection, self._state, self._view, number)

    def finish_load(self, number: int) -> None:
        with meaning(f"finishing the load of generation {number} of {self._view}"):
            self._building().finish_load(number, self._current())

    def pin(self, number: int) -> PinnedReader:
        if self.rows_of_others:
            raise Fatal(self.rows_of_others)
        return pin(lambda: connect(self._values, idle_timeout_s=0), self._state, self._view, number)

    def expect(self, records: Iterable[Record]) -> Iterator[ExpectedRow]:
        if self._expectation is None:
            self._expectation = Expectation(self._values, self._default_schema(), self._is_versioned)
        self._versioned.clear()
        return self._expectation.rows(records)

    def compare_source(self, number: int) -> Findings:
        connection = self._connected()
        with meaning(f"comparing the constraints of generation {number} of {self._view}"):
            if not has_state(connection, self._state):
                return []
            new = read_tables(connection, self._state, self._view, number)
            if number == self._current():
                return []
            return missing_secondary(connection, self._live(), new, number)

    def promote(self, number: int, instead_of: int | None) -> None:
        Swap(self._values, self._view, lambda: connect(self._values)).promote(number, instead_of)

    def drop(self, number: int) -> None:
        connection = self._connected()
        with meaning(f"dropping generation {number} of {self._view}"):
            if not has_state(connection, self._state):
                return
            self._building().drop(number)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = connect(self._values)
        return self._connection

    def _building(self) -> Building:
        return Building(self._values, self._view, self._connected())

    def _default_schema(self) -> str:
        connection = self._connected()
        with meaning(f"asking for the default schema of {self._view}"):
            row = connection.execute("SELECT current_schema()").fetchone()
        if row is None or row[0] is None:
            raise Fatal("the view's user has no schema to make tables in: set its search_path, or grant USAGE on one")
        return str(row[0])

    def _current(self) -> int | None:
        return next((info.number for info in self.list() if info.current), None)

    def _live(self) -> dict[str, TableState]:
        current = self._current()
        return {} if current is None else read_tables(self._connected(), self._state, self._view, current)

    def _is_versioned(self, part: str) -> bool:
        """Does any generation's table of this name hold versions? The view then compares them."""
        if part not in self._versioned:
            connection = self._connected()
            with meaning(f"asking for the version column of {part}"):
                if not has_state(connection, self._state):
                    return False
                row = connection.execute(
                    f"SELECT bool_or(version_column IS NOT NULL) FROM {self._state}.tables "  # noqa: S608
                    "WHERE view = %s AND part = %s",
                    [self._view, part],
                ).fetchone()
            self._versioned[part] = bool(row and row[0])
        return self._versioned[part]
