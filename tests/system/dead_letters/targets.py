"""The views that poison records are meant for, and what makes them refuse one of them."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.conftest import Database
from tests.servers.elasticsearch import SearchServer
from tests.topic_contents import on_broker

REFUSED = 105
"""The number of the record that each of them refuses, as long as it may."""

Rows = Counter[tuple[int, int]]
"""Number and total of each row."""


class Target:
    """`every_record`: it keeps something of each record, so that none is superseded. `refuses`: it may refuse one.
    `rebuilds`: it can be held against the log. `remembers_refusals`: what its server alone can tell.
    """

    every_record = False
    refuses = True
    rebuilds = True
    remembers_refusals = False

    def options(self) -> dict[str, str]:
        raise NotImplementedError

    def spoil(self) -> None:
        """Called once the good records are there: from here on it refuses the record `REFUSED`."""

    def mend(self) -> dict[str, str | None]:
        """Called once it has refused it. Options that change; None: they go."""
        return {}

    def rows(self) -> Rows:
        raise NotImplementedError


class Table(Target):
    remembers_refusals = True

    def __init__(self, database: Database) -> None:
        self._database = database

    def options(self) -> dict[str, str]:
        return {
            "connector.class": "PostgresSink", "connection.url": self._database.url,
            "collection.name.format": "orders",
        }  # fmt: skip

    def spoil(self) -> None:
        self._execute(f"ALTER TABLE orders ADD CONSTRAINT wanted CHECK (n <> {REFUSED})")

    def mend(self) -> dict[str, str | None]:
        self._execute("ALTER TABLE orders DROP CONSTRAINT wanted")
        return {}

    def _execute(self, statement: str) -> None:
        with self._database.connect() as connection:
            connection.execute(statement)  # type: ignore[arg-type]

    def rows(self) -> Rows:
        with self._database.connect() as connection:
            if connection.execute("SELECT to_regclass('orders')").fetchone() == (None,):
                return Rows()
            return Rows(connection.execute("SELECT n, total FROM orders").fetchall())  # type: ignore[arg-type]


class Index(Target):
    """The field `code` is an address, which the code of the refused record is not."""

    remembers_refusals = True

    def __init__(self, server: SearchServer) -> None:
        self._server, self._name = server, f"poison{secrets.token_hex(6)}"

    def options(self) -> dict[str, str]:
        return {
            "connector.class": "ElasticsearchSink", "connection.url": self._server.url,
            "distribution": self._server.distribution, "index.name.format": self._name,
            "index.settings": '{"number_of_replicas": 0}', "state.index.prefix": self._name,
            "index.mappings": '{"code": {"type": "ip"}}',
        }  # fmt: skip

    def mend(self) -> dict[str, str | None]:
        fields = {"code": {"type": "ip", "ignore_malformed": True}}
        self._server.request("PUT", f"/{self._name}/_mapping", {"properties": fields})
        return {"index.mappings": json.dumps(fields)}

    def rows(self) -> Rows:
        return Rows((d["n"], d["total"]) for d in self._server.documents(self._name).values())


class Files(Target):
    """A latest state needs keys, and only records with a header `lot` are given one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def options(self) -> dict[str, str]:
        return {
            "connector.class": "ParquetSink", "path": str(self._folder), "view.mode": "latest.state",
            "rotate.schedule.interval.ms": "0", "transforms.key.predicate": "lot",
        }  # fmt: skip

    def mend(self) -> dict[str, str | None]:
        return {"transforms.key.predicate": None}

    def rows(self) -> Rows:
        pointer = self._folder / "current.json"
        tables = json.loads(pointer.read_bytes())["tables"] if pointer.exists() else {}
        parts = [pq.read_table(file).to_pylist() for table in tables.values() for file in table["files"]]
        return Rows((row["n"], row["total"]) for part in parts for row in part)


class Lines(Target):
    """It takes whatever it is given."""

    every_record = True
    refuses = False
    rebuilds = False

    def __init__(self, file: Path) -> None:
        self._file = file

    def options(self) -> dict[str, str]:
        return {"connector.class": "FileStreamSink", "file": str(self._file)}

    def rows(self) -> Rows:
        text = self._file.read_text() if self._file.exists() else ""
        found = (line.removeprefix("Struct{").removesuffix("}").split(",") for line in text.splitlines())
        pairs = (dict(field.split("=") for field in fields) for fields in found)
        return Rows((int(pair["n"]), int(pair["total"])) for pair in pairs)


class Copy(Target):
    """A topic of another cluster, which takes no large records."""

    rebuilds = False

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap, self._topic = bootstrap, f"poison-{secrets.token_hex(6)}"

    def options(self) -> dict[str, str]:
        return {
            "connector.class": "KafkaSink", "target.bootstrap.servers": self._bootstrap, "topic": self._topic,
            "target.partitions": "1", "target.topic.max.message.bytes": "2000", "keep.partitions": "false",
            "target.key.converter": "JsonConverter", "target.value.converter": "JsonConverter",
            "target.value.converter.schemas.enable": "false",
        }  # fmt: skip

    def mend(self) -> dict[str, str | None]:
        larger = ConfigEntry("max.message.bytes", "100000", incremental_operation=AlterConfigOpType.SET)
        topic = ConfigResource(ResourceType.TOPIC, self._topic, incremental_configs=[larger])
        admin = AdminClient({"bootstrap.servers": self._bootstrap})
        admin.incremental_alter_configs([topic])[topic].result(60)
        return {}

    def rows(self) -> Rows:
        found = [json.loads(message.value() or b"") for message in on_broker(self._bootstrap, self._topic)]
        return Rows((value["n"], value["total"]) for value in found)
