"""A database: its table `item` is read, its other tables are views."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from headwater.worker.api import Record
from headwater.worker.testing import Row, SinkDriver, SourceDriver
from tests.conftest import Database


class _OnPostgres:
    """A database that lets nobody in while it is cut off."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _execute(self, *statements: str) -> None:
        with self._database.server.connect() as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    def cut(self) -> None:
        name = self._database.name
        self._execute(
            f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
        )

    def mend(self) -> None:
        self._execute(f"ALTER DATABASE {self._database.name} ALLOW_CONNECTIONS true")


class PostgresSourceDriver(_OnPostgres, SourceDriver):
    connector_class = "PostgresSource"

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        with database.connect() as connection:
            connection.execute("CREATE TABLE item (id int PRIMARY KEY, text text)")

    def config(self, name: str) -> dict[str, str]:
        return {
            "topic.prefix": name,
            "database.hostname": "127.0.0.1",
            "database.port": str(self._database.server.port),
            "database.user": "postgres",
            "database.dbname": self._database.name,
            "slot.name": f"s_{self._database.name}",
            "status.update.interval.ms": "100",
        }

    def topic(self, name: str) -> str:
        return f"{name}.public.item"

    def put(self, numbers: Sequence[int]) -> None:
        with self._database.connect() as connection, connection.transaction(), connection.cursor() as cursor:
            cursor.executemany("INSERT INTO item VALUES (%s, 'text')", [[number] for number in numbers])

    def delete(self, number: int) -> None:
        with self._database.connect() as connection:
            connection.execute("DELETE FROM item WHERE id = %s", [number])

    def number(self, record: Record) -> int | None:
        row = None if record.value is None else record.value["after"]
        found: int | None = None if row is None else row["id"]
        return found


class PostgresSinkDriver(_OnPostgres, SinkDriver):
    connector_class = "PostgresSink"

    def config(self, target: str) -> dict[str, str]:
        return {"connection.url": self._database.url, "collection.name.format": target}

    def rows(self, target: str) -> list[Row]:
        with self._database.connect() as connection:
            try:
                found = connection.execute(f'SELECT id, text FROM "{target}"').fetchall()  # type: ignore[arg-type]
            except psycopg.errors.UndefinedTable:
                return []
        return [Row(*row) for row in found]  # type: ignore[arg-type]

    def bad_record(self, record: Record) -> Record:
        return record.replace(value="no row", value_schema=None)
