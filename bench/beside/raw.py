"""The raw limits: what servers and libraries do when nobody makes records of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow
import pyarrow.csv
import pyarrow.parquet
from confluent_kafka import Producer
from psycopg import sql

from tests.servers.postgres import PostgresServer

from .measure import Timing, of_call, of_command
from .table import Table
from .topic import Topic

COPY_ROWS = 5_000
"""In one transaction: as many as the sinks write in one."""
PRODUCED_AT_ONCE = 10_000
TRANSACTION = 20_000
SLOT = RAW_TOPIC = "raw"
PARQUET_COMPRESSION = "zstd"


class RawLimits:
    """`servers`: PIDs of the servers by name."""

    def __init__(self, server: PostgresServer, table: Table, servers: Mapping[str, int], folder: Path) -> None:
        self._server = server
        self._table = table
        self._servers = servers
        self._folder = folder

    def copy_out(self, database: str, rows: int) -> Timing:
        command = f"COPY {self._table.name} TO STDOUT"
        program = self._server.bin / "psql"
        return of_command([program, self._server.dsn(database), "-c", command, "-o", "/dev/null"], rows, self._servers)

    def copy_in(self, source: str, target: str, rows: int) -> Timing:
        """Into an empty table with the same columns and the same key."""
        question = f"COPY {self._table.name} TO STDOUT"
        with self._server.connect(source) as connection, connection.cursor().copy(question) as copy:
            lines = [bytes(line) for line in copy]
        parts = [b"".join(lines[first : first + COPY_ROWS]) for first in range(0, len(lines), COPY_ROWS)]
        with self._server.connect(target) as connection:
            connection.execute(f"CREATE TABLE {self._table.name} ({self._table.definition})")

            def write() -> None:
                for part in parts:
                    with connection.cursor().copy(f"COPY {self._table.name} FROM STDIN") as copy:
                        copy.write(part)

            return of_call(write, rows, self._servers)

    def make_slot(self, database: str) -> None:
        with self._server.connect(database) as connection:
            connection.execute(
                sql.SQL("CREATE PUBLICATION {} FOR TABLE {}").format(
                    sql.Identifier(SLOT), sql.Identifier(self._table.name)
                )
            )
            connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])

    def receive(self, database: str, events: int) -> Timing:
        """All changes since `make_slot`."""
        with self._server.connect(database) as connection:
            (end,) = connection.execute("SELECT pg_current_wal_lsn()").fetchone() or ("",)
            # a transaction without an event, so that there is something to end at
            connection.execute("SELECT pg_logical_emit_message(true, 'bench', 'end')")
        command: list[str | Path] = [
            self._server.bin / "pg_recvlogical",
            "-d",
            self._server.dsn(database),
            "--slot",
            SLOT,
            "--start",
        ]
        command += ["-f", "/dev/null", "-F", "0", "-o", "proto_version=1", "-o", f"publication_names={SLOT}"]
        command += ["--endpos", str(end), "--no-loop"]
        return of_command(command, events, self._servers)

    def produce(self, topic: Topic, rows: int, bootstrap: str, settings: Mapping[str, str | int]) -> Timing:
        """The first records of `topic`, again and again, in transactions, by librdkafka."""
        messages = [{"key": key, "value": value} for key, value in topic.sample(min(rows, 100_000))]
        queue = {
            "queue.buffering.max.messages": 2 * TRANSACTION,
            "queue.buffering.max.kbytes": 2_000_000,
            "log_level": 0,
        }
        producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "bench-raw", **queue, **settings})
        producer.init_transactions(60)
        Topic(bootstrap, RAW_TOPIC).make()

        def write() -> None:
            for first in range(0, rows, TRANSACTION):
                producer.begin_transaction()
                _produce(producer, messages, min(TRANSACTION, rows - first))
                producer.commit_transaction(60)

        return of_call(write, rows, self._servers)

    def write_parquet(self, source: str, rows: int) -> Timing:
        """From Arrow's memory into one file."""
        text = self._folder / "table.csv"
        with text.open("wb") as file:
            question = f"COPY {self._table.name} TO STDOUT (FORMAT csv, HEADER)"
            with self._server.connect(source) as connection, connection.cursor().copy(question) as copy:
                for part in copy:
                    file.write(part)
        table = pyarrow.csv.read_csv(text)
        target = self._folder / "raw.parquet"
        timing = of_call(lambda: pyarrow.parquet.write_table(table, target, compression=PARQUET_COMPRESSION), rows, {})
        text.unlink()
        target.unlink()
        return timing


def _produce(producer: Producer, messages: Sequence[dict[str, bytes | None]], count: int) -> None:
    for first in range(0, count, PRODUCED_AT_ONCE):
        part = [messages[n % len(messages)] for n in range(first, min(count, first + PRODUCED_AT_ONCE))]
        if producer.produce_batch(RAW_TOPIC, part) != len(part):
            raise RuntimeError("the producer did not take all messages")
        producer.poll(0)
