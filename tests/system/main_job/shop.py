"""A user's shop as docs/guide.md sets it up: two databases, a role of few rights, passwords, two config files.

With its topics on Kafka it has a worker file too, and the broker gives its user the rights of docs/kafka.md, no more.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import yaml
from confluent_kafka.admin import AclOperation, ResourceType
from psycopg import sql

from headwater.worker.log import Log, open_log
from tests.live_writer import SCHEMA, LiveWriter
from tests.servers.kafka_security import GuardedKafka, Right
from tests.servers.postgres import PostgresServer
from tests.servers.worker import WorkerProcess

_numbers = itertools.count(1)

SOURCE = """
name: shop
connector.class: PostgresSource
topic.prefix: shop
database:
  hostname: 127.0.0.1
  port: {port}
  user: {role}
  password: ${{env:SHOP_PASSWORD}}
  dbname: {dbname}
schema.include.list: public
slot.name: {dbname}
publication.name: {dbname}
"""
VIEW = """
name: shop-view
connector.class: PostgresSink
topics.regex: shop\\.public\\..*
connection.url: postgresql://127.0.0.1:{port}/{dbname}
connection.username: {role}
connection.password: ${{file:{secrets}:view}}
"""
SLIM = """
transforms: unwrap, slim
transforms.unwrap.type: ExtractNewRecordState
transforms.slim.type: ReplaceField$Value
transforms.slim.exclude: owner
transforms.slim.renames: balance:money
transforms.slim.predicate: accounts
predicates: accounts
predicates.accounts.type: TopicNameMatches
predicates.accounts.pattern: shop\\.public\\.account
"""
ROLE = "headwater"
"""Also the name of the schema of Headwater's own tables: `search_path` finds that one first."""

_OWN = (
    AclOperation.CREATE, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS, AclOperation.READ, AclOperation.WRITE,
)  # fmt: skip
RIGHTS: list[Right] = [
    (ResourceType.TOPIC, "connect-", _OWN),
    (ResourceType.TOPIC, "headwater-", _OWN),
    (ResourceType.TOPIC, "shop.", _OWN),
    (ResourceType.GROUP, "connect-", (AclOperation.DESCRIBE, AclOperation.READ, AclOperation.DELETE)),
    (ResourceType.TRANSACTIONAL_ID, "headwater-", (AclOperation.DESCRIBE, AclOperation.WRITE)),
]
"""What docs/kafka.md asks for."""

FULL = {
    "account": "id, owner, balance, seen",
    "entry": "account, number, trim_scale(amount), note, tags",
    "document": "id, title, body, extra",
    "note": "text",
}
SLIM_SOURCE = {**FULL, "account": "id, balance, seen"}
SLIM_VIEW = {**FULL, "account": "id, money, seen"}

Columns = Mapping[str, str]


class Shop:
    """`passwords` belong to nobody but the servers, the environment and one file."""

    def __init__(self, server: PostgresServer, folder: Path, kafka: GuardedKafka | None = None) -> None:
        self.server = server
        self.folder = folder
        number = f"{os.getpid()}_{next(_numbers)}"
        self.source, self.view = f"shop_{number}", f"shop_view_{number}"
        self.passwords = {name: secrets.token_urlsafe(15) for name in ("capture", "view")}
        self._roles()
        self._databases()
        self.secrets = folder / "secrets.properties"
        self.secrets.write_text(f"view={self.passwords['view']}\n")
        self.source_file, self.view_file, self.slim_file = (
            folder / f"{name}.yaml" for name in ("source", "view", "slim")
        )
        port = server.port
        self.source_file.write_text(SOURCE.format(port=port, role="capture", dbname=self.source))
        view = VIEW.format(port=port, role=ROLE, dbname=self.view, secrets=self.secrets)
        self.view_file.write_text(view)
        self.slim_file.write_text(view + SLIM)
        env = {"SHOP_PASSWORD": self.passwords["capture"]}
        self.options: list[str] = []
        """Of every command that looks at the log by itself."""
        self.log_settings: dict[str, str] = {}
        if kafka is not None:
            env["KAFKA_PASSWORD"] = self.passwords["kafka"] = kafka.password
            self._use(kafka)
        self.worker = WorkerProcess([self.source_file, self.view_file], folder / "data", env)

    def _use(self, kafka: GuardedKafka) -> None:
        file = self.folder / "worker.yaml"
        replicas = {f"{kind}.storage.replication.factor": -1 for kind in ("config", "offset", "status")}
        own = {"group.id": f"headwater-{self.source}", **replicas}  # nothing of an earlier shop's transactions
        file.write_text(yaml.safe_dump({**kafka.worker_settings("${env:KAFKA_PASSWORD}"), **own}))
        self.options = ["--worker", str(file)]
        self.log_settings = kafka.worker_settings(kafka.password)

    def _roles(self) -> None:
        with self.server.connect() as connection:
            for role, name in (("app", "app"), ("capture", "capture"), (ROLE, "view")):
                password = self.passwords.get(name, secrets.token_urlsafe(15))
                known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone()
                connection.execute(
                    sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
                        sql.SQL("CREATE" if known is None else "ALTER"), sql.Identifier(role), password
                    )
                )
            connection.execute("ALTER ROLE capture REPLICATION; GRANT app TO capture")

    def _databases(self) -> None:
        for name in (self.source, self.view):
            self.server.create_database(name)
        with self.server.connect(self.source) as connection:
            connection.execute(f"GRANT ALL ON SCHEMA public TO app; GRANT CREATE ON DATABASE {self.source} TO capture")
            connection.execute("SET ROLE app")
            connection.execute(SCHEMA.format(accounts=2000, entries=1000))
        with self.server.connect(self.view) as connection:
            connection.execute(f"CREATE SCHEMA headwater AUTHORIZATION {ROLE}; GRANT CREATE ON SCHEMA public TO {ROLE}")

    def close(self) -> None:
        try:
            self.worker.stop()
        finally:
            for name in (self.source, self.view):
                self.server.drop_database(name)

    # --- what is there

    def execute(self, *statements: str) -> None:
        """As the application: each statement a transaction."""
        with self.server.connect(self.source) as connection:
            for statement in statements:
                connection.execute(statement)

    def writer(self, seed: int, pause_s: float = 0.02) -> LiveWriter:
        writer = LiveWriter(self.server.dsn(self.source), seed, pause_s)
        writer.start()
        return writer

    def source_rows(self, columns: Columns = FULL) -> dict[str, list[Any]]:
        return self._rows(self.source, "{}", columns)

    def view_rows(self, columns: Columns = FULL) -> dict[str, list[Any]]:
        return self._rows(self.view, "shop_public_{}", columns)

    def _rows(self, database: str, name: str, columns: Columns) -> dict[str, list[Any]]:
        """A table that is not there (the view makes one with its first row) has no rows."""
        with closing(psycopg.connect(self.server.dsn(database), autocommit=True)) as connection:
            connection.execute("SET timezone = 'UTC'")
            rows = {}
            for table, wanted in columns.items():
                try:
                    found = connection.execute(f"SELECT {wanted} FROM public.{name.format(table)}").fetchall()
                except psycopg.errors.UndefinedTable:
                    found = []
                rows[table] = sorted(str(row) for row in found)
            return rows

    def tables(self) -> list[str]:
        """Everything that stands in the view's database, in whatever schema."""
        with self.server.connect(self.view) as connection:
            found = connection.execute(
                "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information_schema)'"
            )
            return sorted(str(name) for (name,) in found)

    def wait_until_equal(self, ours: Columns = FULL, theirs: Columns = FULL, timeout_s: float = 300) -> None:
        deadline = time.monotonic() + timeout_s
        expected = self.source_rows(ours)
        while True:
            try:
                found = self.view_rows(theirs)
            except psycopg.errors.UndefinedColumn as error:
                found = {"": [str(error)]}
            if found == expected:
                return
            differ = {
                name: (sorted({*expected[name]} - {*found.get(name, [])})[:3], found.get(name, [])[:1])
                for name in expected
                if expected[name] != found.get(name)
            }
            assert time.monotonic() < deadline, f"{differ} {found.get('')}\n{self.worker.tail()}"
            time.sleep(0.2)

    # --- Headwater

    def run(self, *arguments: str) -> Any:
        """The JSON that a command prints; it has to succeed."""
        done = self.worker.command(*arguments, "--json")
        assert done.returncode == 0, done.stdout + done.stderr + self.worker.tail()
        return json.loads(done.stdout)

    def start(self) -> WorkerProcess:
        return self.worker.start(*self.options)

    def open_log(self) -> Log:
        return open_log(self.log_settings, self.worker.data)

    def pid(self, connector: str) -> int:
        tasks = self.worker.get(f"/connectors/{connector}/status")["tasks"]
        return int(tasks[0]["pid"] or 0) if tasks else 0

    def progress(self) -> Any:
        return self.worker.get("/views/shop-view/progress")

    def wait_for(self, condition: Callable[[], object], timeout_s: float = 300) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"it did not happen\n{self.progress()}\n{self.worker.tail()}"
            time.sleep(0.04)

    def wait_for_end(self, job: str) -> dict[str, Any]:
        """How a job has ended."""
        self.wait_for(lambda: (last := self.progress()["last"]) is not None and last["id"] == job, 600)
        return dict(self.progress()["last"])


def command_lines() -> list[str]:
    """Every process's, as `ps` shows them."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it has ended meanwhile
    return lines
