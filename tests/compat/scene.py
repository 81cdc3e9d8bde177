"""One connector, run by Kafka Connect with Debezium and by Headwater in turn, over a database that is written to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conftest import Database
from tests.servers.connect import ConnectWorker
from tests.servers.kafka import KafkaServer
from tests.servers.process import kill_one
from tests.servers.worker import WorkerProcess

from .numbered_writer import SCHEMA, TABLES, Change, NumberedWriter
from .reading import Raw, ends, read_all, written

WAIT_S = 300.0
WORKER = """
bootstrap.servers: {bootstrap}
group.id: headwater-{name}
offset.storage.topic: connect-offsets
config.storage.topic: headwater-configs-{name}
status.storage.topic: headwater-status-{name}
offset.storage.replication.factor: 1
config.storage.replication.factor: 1
status.storage.replication.factor: 1
key.converter: org.apache.kafka.connect.json.JsonConverter
value.converter: org.apache.kafka.connect.json.JsonConverter
"""


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:.0f} s"
        time.sleep(0.2)


class Scene:
    """`java`: a running worker, shared with others; its connector is made at the first phase."""

    offsets_topic = "connect-offsets"

    def __init__(self, kafka: KafkaServer, java: ConnectWorker, database: Database, folder: Path) -> None:
        self.kafka = kafka
        self.java = java
        self.database = database
        self.name = database.name
        self.topics = [f"{self.name}.public.{table}" for table in TABLES]
        self.config = {
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "tasks.max": "1",
            "database.hostname": "127.0.0.1",
            "database.port": str(database.server.port),
            "database.user": "postgres",
            "database.password": "unused",
            "database.dbname": database.name,
            "topic.prefix": self.name,
            "slot.name": f"s_{self.name}",
            "publication.name": f"p_{self.name}",
            "publication.autocreate.mode": "filtered",
            "plugin.name": "pgoutput",
            "table.include.list": ",".join(f"public.{table}" for table in TABLES),
            "poll.interval.ms": "50",
            "max.batch.size": "70",
            "max.queue.size": "500",
            "topic.creation.default.replication.factor": "1",
            "topic.creation.default.partitions": "1",
        }
        folder.mkdir()
        self._connector = folder / "connector.yaml"
        self.headwater = self._headwater(folder)
        self.writers: list[NumberedWriter] = []
        self._made = False

    def _headwater(self, folder: Path) -> WorkerProcess:
        worker = folder / "worker.yaml"
        worker.write_text(WORKER.format(bootstrap=self.kafka.bootstrap, name=self.name))
        self.configure_headwater({"name": self.name, **self.config})
        return WorkerProcess([self._connector], folder / "data", options=["--worker", str(worker)])

    def configure_headwater(self, config: Mapping[str, str]) -> None:
        self._connector.write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in config.items()))

    def close(self) -> None:
        for writer in self.writers:
            writer.stop()
        self.headwater.kill()
        if not self.java.running:
            self.java.start()
        if self._made:
            self.java.delete_connector(self.name)

    def begin(self, writers: int = 2) -> None:
        """Debezium takes its snapshot; then the writers start."""
        rows = 0
        with self.database.connect() as db:
            db.execute(SCHEMA.encode())
            for number, table in enumerate(TABLES, 1):
                db.execute(f"INSERT INTO {table} SELECT n, n FROM generate_series(1, {number * 10}) n".encode())
                rows += number * 10
        self.start_java()
        wait_for(lambda: ends(self.kafka.bootstrap, self.topics) >= rows, "Debezium's snapshot")
        self.write(writers)

    def write(self, writers: int) -> None:
        for number in range(len(self.writers) + 1, len(self.writers) + writers + 1):
            self.writers.append(NumberedWriter(self.database.dsn, number))
            self.writers[-1].start()

    def end_writing(self) -> list[Change]:
        return [change for writer in self.writers for change in writer.stop()]

    def start_java(self) -> None:
        if self._made:
            self.java.resume_connector(self.name)
        else:
            self.java.create(self.name, self.config)
            self._made = True

    def kill_java(self) -> None:
        self.java.kill()

    def restart_java(self) -> None:
        """After `kill_java`; its connectors go on by themselves."""
        self.java.start()

    def kill_headwater(self) -> None:
        """As if its machine had died: nothing of it stays to hold the slot."""
        children = self.headwater.children()
        self.headwater.kill()
        for pid in children:
            kill_one(pid)

    def until_more(self, records: int) -> None:
        """Whoever runs writes so many more."""
        target = ends(self.kafka.bootstrap, self.topics) + records
        wait_for(lambda: ends(self.kafka.bootstrap, self.topics) >= target, f"{records} more records")

    def until_java_stored(self) -> None:
        """The stored position is Debezium's own, no longer the one where Headwater ended."""
        wait_for(lambda: self.offset() and "commit_lsn" not in self.offset(), "a position of Debezium's")

    def last_lsn(self) -> int:
        """Of all changes in the topics."""
        return max(written(raw).place[1] for raw in self.records())

    def until_passed(self, lsn: int) -> None:
        """Headwater's stored position is beyond: whatever Debezium would have repeated has been."""
        wait_for(lambda: int(self.offset().get("commit_lsn", 0)) > lsn, f"a position of Headwater's beyond {lsn}")

    def until_all(self, change: Change) -> None:
        """`change` is in its topic."""
        topic = f"{self.name}.public.{change.table}"
        needle = f'"seq":{change.seq},'.encode()
        wait_for(
            lambda: any(needle in (raw.value or b"") for raw in read_all(self.kafka.bootstrap, [topic])), f"{change}"
        )

    def sentinels(self) -> list[Change]:
        """One last change of each table."""
        made = []
        with self.database.connect() as db:
            for number, table in enumerate(TABLES):
                change = Change(table, "c", -1 - number, 9_000_000_000_000 + number)
                db.execute(f"INSERT INTO {table} VALUES (%s, %s)".encode(), [change.key, change.seq])
                made.append(change)
        return made

    def offset(self) -> Mapping[str, Any]:
        """The stream's stored position."""
        found: Mapping[str, Any] = {}
        for raw in read_all(self.kafka.bootstrap, [self.offsets_topic]):
            if raw.key is not None and json.loads(raw.key) == [self.name, {"server": self.name}] and raw.value:
                found = json.loads(raw.value)
        return found

    def records(self) -> Sequence[Raw]:
        return read_all(self.kafka.bootstrap, self.topics)
