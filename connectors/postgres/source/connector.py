"""The plugin's entry: what the worker knows of the PostgreSQL source without a connection to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from headwater.worker.api import (
    ConfigError,
    Features,
    Finding,
    Options,
    Partition,
    Position,
    Problem,
    Record,
    Source,
    SourceConnector,
    SourceRows,
    Values,
)

from .check import check_server
from .exact_rows import exact_rows, preview_rows
from .mask_options import mask_problems
from .options import OPTIONS, OVERRIDE_PREFIX, split_list
from .position import check_position
from .settings import placeholder_bytes, settings_of
from .task import PostgresSource


class PostgresSourceConnector(SourceConnector):
    options: ClassVar[Options] = OPTIONS
    version: ClassVar[str] = "1"
    features: ClassVar[Features] = Features(
        resumable=True, ordered=True, exactly_once=True, snapshot=True, deletes=True, transactions=True
    )
    doc: ClassVar[str] = "Replicates a PostgreSQL database: one topic a table, a snapshot and then every change."

    def validate(self, values: Values) -> list[Problem]:
        problems = []
        for kind in ("schema", "table", "column"):
            if values[f"{kind}.include.list"] and values[f"{kind}.exclude.list"]:
                problems.append(Problem(f"{kind}.exclude.list", f"cannot stand beside {kind}.include.list"))
        listed = split_list(values["snapshot.select.statement.overrides"])
        for name in values:
            if name.startswith(OVERRIDE_PREFIX) and name.removeprefix(OVERRIDE_PREFIX) not in listed:
                hint = "add the table to snapshot.select.statement.overrides"
                problems.append(Problem(name, "names a table that is not listed", hint))
        for table in listed:
            if OVERRIDE_PREFIX + table not in values:
                problems.append(Problem("snapshot.select.statement.overrides", f"{OVERRIDE_PREFIX}{table} is missing"))
        try:
            placeholder_bytes(values["unavailable.value.placeholder"])
        except ValueError:
            problems.append(Problem("unavailable.value.placeholder", "what follows hex: is not hex"))
        return problems + mask_problems(values)

    def check(self, values: Values) -> list[Finding]:
        return check_server(settings_of(values))

    def preview(self, values: Values) -> Iterator[Record]:
        """Rows as a snapshot would write them, of each table in turn; nothing is left behind on the server."""
        return preview_rows(settings_of(values))

    def source_rows(
        self,
        values: Mapping[str, object],
        topics: Sequence[str],
        positions: Sequence[tuple[Partition, Position]] = (),
    ) -> SourceRows:
        return exact_rows(settings_of(values), topics, positions)

    def task(self) -> Source:
        return PostgresSource()

    def alter_offsets(self, values: Values, offsets: Sequence[tuple[Partition, Position | None]]) -> None:
        problems = []
        for partition, position in offsets:
            where = f"offset of {dict(partition)}"
            if partition.get("server") != values["topic.prefix"]:
                problems.append(Problem(where, f'must have "server": "{values["topic.prefix"]}"'))
                continue
            try:
                if position is not None:
                    check_position(partition, position)
            except (KeyError, TypeError, ValueError) as error:
                problems.append(Problem(where, f"cannot be read: {error!r}"))
        if problems:
            raise ConfigError(problems)
