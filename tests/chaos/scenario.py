"""One run: live writers at PostgreSQL, a log, views that are rebuilt, a reader who keeps count, and what hits them."""

from __future__ import annotations

import random
import time
import urllib.error
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from tests.live_writer import SCHEMA, LiveWriter
from tests.servers.postgres import PostgresServer
from tests.servers.worker import WorkerProcess

from .disturbances import Disturbances
from .history import compare_with_history, keep_history
from .logs import LogUnderTest
from .reader import CountingReader, count_again
from .views import Rows, View, difference, table_rows

SOURCE_NAME = "chaos"
PREFIX = "chaos.public."
SOURCE = """
name: chaos
connector.class: PostgresSource
topic.prefix: chaos
database: {{hostname: 127.0.0.1, port: {port}, user: postgres, password: unused, dbname: source}}
table.include.list: public.account,public.entry,public.document,public.note
snapshot.chunk.rows: 500
topic.creation.default: {{partitions: 2, replication.factor: 1{topics}}}
"""
KEEP_ALL = ", cleanup.policy: delete, retention.ms: -1"
ROWS = 4_000
"""Of two tables, before the first change: the snapshot is in flight when the first kills come."""


class Scenario:
    """`keep_all`: topics keep every event, as a change log needs it; else they are as Headwater makes them."""

    def __init__(
        self, folder: Path, server: PostgresServer, log: LogUnderTest, views: list[View], keep_all: bool
    ) -> None:
        self.server = server
        self.log = log
        self.views = views
        self.gaps = not keep_all and log.compacts_at_once
        server.create_database("source")
        with server.connect("source") as connection:
            connection.execute(SCHEMA.format(accounts=ROWS, entries=ROWS))
            keep_history(connection)
        source = folder / "source.yaml"
        source.write_text(SOURCE.format(port=server.port, topics=KEEP_ALL if keep_all else ""))
        files = [source]
        for view in views:
            files.append(folder / f"{view.name}.yaml")
            files[-1].write_text(view.config())
        worker_file = log.worker_file(folder)
        options = [] if worker_file is None else ["--worker", str(worker_file)]
        self.worker = WorkerProcess(files, folder / "data", options=options)

    def run(self, kills: int, seed: int) -> None:
        """Raises `AssertionError` for whatever does not hold."""
        chance = random.Random(seed)
        writers = [LiveWriter(self.server.dsn("source"), seed * 2 + n) for n in range(2)]
        reader = CountingReader(self.log.stream, self.gaps)
        disturbances = Disturbances(self.worker, self.server, self.log, SOURCE_NAME, chance)
        started = time.monotonic()
        rebuilds = 0
        try:
            self.worker.start(ready_s=60)
            for thread in (reader, *writers):
                thread.start()
            while disturbances.kills < kills and reader.error is None and not any(w.error for w in writers):
                time.sleep(chance.uniform(0.3, 2.5))
                disturbances.next()
                rebuilds += self._ask_for_rebuilds()
            counts = sum((writer.stop() for writer in writers), Counter[str]())
            disturbances.end()
            print(f"seed {seed}: {' '.join(disturbances.told)}\nkilled {dict(disturbances.done)} within ", end="")
            print(f"{time.monotonic() - started:.0f} s; {rebuilds} rebuilds begun; committed {dict(counts)}")
            assert counts.total() > 10 * kills
            self._compare(reader)
        except BaseException:
            print(f"seed {seed}: {' '.join(disturbances.told)}\n{self.worker.tail(30_000)}")
            raise
        finally:
            disturbances.end()
        print(f"compared {time.monotonic() - started:.0f} s after the start")
        assert self.worker.stop() == 0

    def _ask_for_rebuilds(self) -> int:
        """One of every view is in flight nearly all the time. How many were begun now."""
        begun = 0
        for view in self.views:
            try:
                self.worker.request("POST", f"/views/{view.name}/rebuild", {"keep": "5s"})
                begun += 1
            except urllib.error.HTTPError as error:
                assert error.code in (404, 409, 503), error.read()
            except OSError:
                continue  # the worker is coming back
        return begun

    def _compare(self, reader: CountingReader) -> None:
        source = table_rows(self.server.dsn("source"))
        for view in self.views:
            _wait_until(_Difference(source, view), f"{view.name} does not become equal")
        for view in self.views:
            self._await_rebuilds(view)
            _wait_until(_Difference(source, view), f"{view.name} is not equal after its rebuild")
        again = count_again(self.log.stream(), self.gaps)
        _wait_until(lambda: "" if set(again.places) <= set(reader.count.places) else "behind", "the reader is")
        reader.stop()
        if not self.gaps:
            assert sorted(again.places) == sorted(reader.count.places)
            assert again.events == reader.count.events
        assert again.rows == reader.count.rows
        with self.server.connect("source") as connection:
            events = compare_with_history(connection, reader.count.events, self.gaps)
        print(f"a reader has seen {reader.count.snapshot} rows of the snapshot and {events} events")
        sizes = {table: len(keys) for table, keys in again.keys().items()}
        assert sizes == {table: rows.total() for table, rows in source.items()}
        for view in self.views:
            for options in ([], ["--source"]):
                verified = self.worker.command("verify", view.name, *options)
                assert verified.returncode == 0, f"verify {view.name} {options}:\n{verified.stdout}{verified.stderr}"

    def _await_rebuilds(self, view: View) -> None:
        """No job is left, one rebuild at least was done, and none has failed but before there was a whole snapshot."""
        shown: dict[str, Any] = {}

        def running() -> str:
            shown.update(self.worker.get(f"/views/{view.name}"))
            return str(shown["job"] or "")

        _wait_until(running, f"a job of {view.name} does not end")
        ends = Counter(entry["outcome"] for entry in shown["history"])
        print(f"{view.name}: {dict(ends)}, generation {shown['current']}")
        failed = [e["reasons"] for e in shown["history"] if e["outcome"] != "done" and e["generation"] is not None]
        assert ends["done"] > 0 and not failed, f"{view.name}: {ends['done']} rebuilds were done, {failed} not"


class _Difference:
    """Between the source and a view, each time that it is called."""

    def __init__(self, source: Rows, view: View) -> None:
        self._source = source
        self._view = view

    def __call__(self) -> str:
        return difference(self._source, self._view.rows(), self._view.tables)


def _wait_until(what_is_wrong: Callable[[], str], message: str, timeout_s: float = 600) -> None:
    """Until it answers ''."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            wrong = what_is_wrong()
        except (OSError, psycopg.OperationalError) as error:
            wrong = str(error)
        if not wrong:
            return
        assert time.monotonic() < deadline, f"{message}: {wrong}"
        time.sleep(1)
