"""Replicates a database into topics, keeps a view, changes the view, rebuilds it from offset zero, rolls back.

With `--kafka` the topics lie on an Apache Kafka broker that is started for it, else in the embedded log. Exit status 0
only if everything was compared and equal.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from tests.servers.cache import cache_dir
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer
from tests.servers.worker import COMMAND, WorkerProcess

from .changes import Writer, add_a_column
from .compare import Sum, checksums, columns, count
from .data import TABLES, load
from .log_side import rows_on_log
from .waiting import wait_for

CONFIGS = Path(__file__).parents[1] / "configs"
RENAMED = {"dep_time": "departed_at"}
DROPPED = {"minute"}


class Demo:
    """One run, from an empty folder to the table at the end."""

    def __init__(self, folder: Path, on_kafka: bool) -> None:
        self.started = time.monotonic()
        self.folder = folder
        self.results: list[tuple[str, dict[str, Sum], float | None]] = []
        self.on_log: dict[str, int] = {}
        self.server = PostgresServer(18, password=secrets.token_hex(8))
        self.kafka = KafkaServer() if on_kafka else None
        env = {
            "SOURCE_HOST": "127.0.0.1",
            "SOURCE_PORT": str(self.server.port),
            "SOURCE_USER": "postgres",
            "SOURCE_PASSWORD": str(self.server.password),
            "SOURCE_DBNAME": "nyc",
            "VIEW_URL": f"postgresql://127.0.0.1:{self.server.port}/views",
            "VIEW_USER": "postgres",
            "VIEW_PASSWORD": str(self.server.password),
        }
        self.settings: dict[str, str] = {}
        self.options: list[str] = []
        if self.kafka is not None:
            env["KAFKA_BOOTSTRAP"] = self.settings["bootstrap.servers"] = self.kafka.bootstrap
            self.options = ["--worker", str(CONFIGS / "worker-kafka.yaml")]
        files = [CONFIGS / "postgres-source.yaml", CONFIGS / "postgres-view.yaml"]
        self.worker = WorkerProcess(files, folder / "data", env)

    def run(self) -> None:
        if self.kafka is not None:
            self.step(f"starting a throw-away Apache Kafka {self.kafka.version} broker")
            self.kafka.start()
        self.step("starting a throw-away PostgreSQL and loading the flights of 2013")
        self.server.start()
        for name in ("nyc", "views"):
            self.server.create_database(name)
        with self.server.connect("nyc") as connection:
            rows = load(connection)
        self.say(f"{sum(rows.values()):,} rows in {len(rows)} tables")
        self.replicate()
        self.rebuild()
        self.roll_back()
        self.step("counting what the log holds")
        self.on_log = rows_on_log(self.settings, self.worker.data, {table: f"nyc.public.{table}" for table in TABLES})

    def replicate(self) -> None:
        worker_file = "--worker configs/worker-kafka.yaml " if self.kafka else ""
        files = "configs/postgres-source.yaml configs/postgres-view.yaml"
        self.step(f"headwater run {worker_file}{files}, with live changes meanwhile")
        writer = Writer(self.server.dsn("nyc"), seed=0)
        writer.start()
        begin = time.monotonic()
        self.worker.start(*self.options)
        try:
            wait_for("snapshot -> topics -> view", self.progress, lambda: True)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.worker.tail()}") from error
        add_a_column(self.server.dsn("nyc"))
        time.sleep(1)
        self.say(f"live changes while it ran, and a new column: {dict(writer.stop())}")
        self.wait_until_equal("first view", self.wanted(), begin)

    def rebuild(self) -> None:
        self.step("headwater rebuild nyc-view --config configs/postgres-view-slim.yaml (a column goes, one is renamed)")
        writer = Writer(self.server.dsn("nyc"), seed=1)
        writer.start()
        begin = time.monotonic()
        self.headwater("rebuild", "nyc-view", "--config", str(CONFIGS / "postgres-view-slim.yaml"))
        self.say(f"live changes meanwhile: {dict(writer.stop())}")
        self.wait_until_equal("rebuilt view", self.slim(self.wanted()), begin, RENAMED)
        with psycopg.connect(self.server.dsn("views")) as connection:
            found = set(columns(connection, "flights"))
        if found & (DROPPED | set(RENAMED)) or not found >= set(RENAMED.values()):
            raise AssertionError(f"the rebuilt view does not have the columns that its config asks for: {found}")
        self.step("headwater verify nyc-view --source")
        self.headwater("verify", "nyc-view", "--source")

    def roll_back(self) -> None:
        self.step("headwater rollback nyc-view, after more live changes")
        writer = Writer(self.server.dsn("nyc"), seed=2)
        writer.start()
        time.sleep(1)
        begin = time.monotonic()
        self.headwater("rollback", "nyc-view")
        writer.stop()
        self.wait_until_equal("old view again", self.wanted(), begin)

    def wanted(self) -> dict[str, list[str]]:
        with psycopg.connect(self.server.dsn("nyc")) as connection:
            return {table: columns(connection, table) for table in TABLES}

    def slim(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        return {table: [name for name in names if name not in DROPPED] for table, names in wanted.items()}

    def progress(self) -> tuple[int, int]:
        """Rows in the view, rows at the source."""
        if not self.worker.running():
            raise AssertionError(f"headwater run has ended\n{self.worker.tail()}")
        return self.count("views"), self.count("nyc")

    def count(self, database: str) -> int:
        with psycopg.connect(self.server.dsn(database)) as connection:
            found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            there = [str(name) for (name,) in found if name in TABLES]
            return sum(count(connection, table) for table in there)

    def wait_until_equal(
        self, what: str, wanted: Mapping[str, Sequence[str]], begin: float, renamed: Mapping[str, str] | None = None
    ) -> None:
        """The databases compute both sides' checksums; raises `TimeoutError` where they do not become equal."""
        source = checksums(self.server.dsn("nyc"), wanted)
        names = {
            table: [(renamed or {}).get(c, c) if table == "flights" else c for c in cs] for table, cs in wanted.items()
        }
        view: dict[str, Sum] = {}

        def equal() -> bool:
            view.update(checksums(self.server.dsn("views"), names))
            return view == source

        try:
            wait_for(f"{what} catches up", self.progress_or_equal, equal)
        except (TimeoutError, psycopg.errors.UndefinedColumn) as error:
            differ = {
                table: (str(source[table]), str(view.get(table)))
                for table in source
                if source[table] != view.get(table)
            }
            raise AssertionError(f"{what} differs from the source: {differ}\n{self.worker.tail()}") from error
        seconds = time.monotonic() - begin
        self.results.append((what, view, seconds))
        self.say(f"{what}: every table equals the source, {seconds:.1f} s")

    def progress_or_equal(self) -> tuple[int, int]:
        view, source = self.progress()
        return max(view, source), source

    def headwater(self, *arguments: str) -> None:
        environment = {**self.worker.env, "HEADWATER_URL": self.worker.url}
        status = subprocess.run([*COMMAND, *arguments], env=environment, check=False).returncode
        if status != 0:
            raise AssertionError(f"headwater {' '.join(arguments)} ended with status {status}\n{self.worker.tail()}")

    def step(self, text: str) -> None:
        print(f"[{time.monotonic() - self.started:5.1f} s] {text}", flush=True)

    def say(self, text: str) -> None:
        print(f"          {text}", flush=True)

    def show(self) -> None:
        table = Table(title="Compared, and equal to the source at its time")
        for heading, justify in (
            ("", "left"),
            ("table", "left"),
            ("rows", "right"),
            ("checksum", "right"),
            ("s", "right"),
        ):
            table.add_column(heading, justify=justify)
        source = checksums(self.server.dsn("nyc"), self.wanted())
        wrong = {name: rows for name, rows in self.on_log.items() if rows != source[name].rows}
        if wrong:
            raise AssertionError(f"the log and the source do not hold the same number of rows: {wrong}")
        blocks = [*self.results, ("source", source, None)]
        for what, sums, seconds in blocks:
            for name, total in sums.items():
                first = name == next(iter(sums))
                time_taken = f"{seconds:.1f}" if first and seconds is not None else ""
                table.add_row(what if first else "", name, f"{total.rows:,}", total.checksum, time_taken)
            table.add_section()
        for name, rows in self.on_log.items():
            table.add_row("log, latest by key" if name == "airlines" else "", name, f"{rows:,}", "", "")
        Console(width=None if sys.stdout.isatty() else 100).print(table)

    def close(self) -> None:
        try:
            self.worker.stop()
        finally:
            self.server.close()
            if self.kafka is not None:
                self.kafka.close()


def main() -> int:
    folder = cache_dir() / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    demo = Demo(folder, on_kafka="--kafka" in sys.argv[1:])
    try:
        demo.run()
        demo.show()
    except AssertionError as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; everything that was started is stopped.", file=sys.stderr)
        return 130
    finally:
        demo.close()
    print(f"All equal, in {time.monotonic() - demo.started:.0f} s. `make demo-clean` removes what it made.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
