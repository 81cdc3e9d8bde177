"""One sink worker: its first load of a topic, then the changes that came while it was stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql

from tests.servers.postgres import PostgresServer

from .measure import Timing, Watched, until_done
from .peers import Peer, stop_connector
from .source_run import CONNECTOR, PATIENCE_S, WARM_PATIENCE_S
from .table import SOURCE, Table

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass
class SinkRun:
    """Into a table of a database of its own. `warm` makes the config of a connector from the warm topic into the
    table that it names."""

    peer: Peer
    config: Mapping[str, str]
    warm: Callable[[str], Mapping[str, str]]
    server: PostgresServer
    database: str
    table: Table
    servers: Mapping[str, int]

    def load(self, rows: int, last_id: int, warm_rows: int) -> Timing:
        """From the request that creates the connector until the row of the topic's last record is to be seen."""
        return self._run("warm_1", warm_rows, "config", dict(self.config), last_id, rows)

    def follow(self, events: int, last_id: int, warm_rows: int) -> Timing:
        """From the request that resumes the connector."""
        return self._run("warm_2", warm_rows, "resume", None, last_id, events)

    def _run(self, warm: str, warm_rows: int, verb: str, body: object, last_id: int, rows: int) -> Timing:
        began = time.perf_counter()
        self.peer.start()
        notes = {"worker start s": round(time.perf_counter() - began, 1)}
        with self.server.connect(self.database) as connection:
            self._warm_up(connection, warm, warm_rows)
            timing = until_done(
                Watched([self.peer.pid], self.servers),
                lambda: self.peer.request("PUT", f"/connectors/{CONNECTOR}/{verb}", body),
                lambda: self._progress(connection, last_id),
                lambda progress: progress == 2,
                PATIENCE_S,
            )
            stop_connector(self.peer, CONNECTOR)
        self.peer.stop()
        self._compare()
        return replace(timing, rows=rows, notes=notes)

    def _warm_up(self, connection: Connection, name: str, rows: int) -> None:
        self.peer.request("PUT", f"/connectors/{name}/config", dict(self.warm(name)))
        deadline = time.monotonic() + WARM_PATIENCE_S
        while _ask(connection, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))) < rows:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.peer.name} did not get warm:\n{self.peer.tail()}")
            time.sleep(0.2)
        stop_connector(self.peer, name)

    def _progress(self, connection: Connection, last_id: int) -> int:
        """1: there is a row; 2: the last one is there."""
        table, key = sql.Identifier(self.table.name), sql.Identifier(self.table.key)
        last = sql.SQL("SELECT count(*) FROM {} WHERE {} = {}").format(table, key, last_id)
        return 2 if _ask(connection, last) else _ask(connection, sql.SQL("SELECT 1 FROM {} LIMIT 1").format(table))

    def _compare(self) -> None:
        """Raises `RuntimeError` where the view is not what the table is."""
        question = f"SELECT {self.table.check} FROM {self.table.name}"
        found = []
        for database in (SOURCE, self.database):
            with self.server.connect(database) as connection:
                found.append(connection.execute(question).fetchone())
        if found[0] != found[1]:
            raise RuntimeError(f"{self.peer.name} made a table with {self.table.check} = {found[1]} of {found[0]}")


def _ask(connection: Connection, question: sql.Composed) -> int:
    """The number that is the answer; 0 where there is no row, or no table so far."""
    try:
        row = connection.execute(question).fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    return int(row[0]) if row else 0
