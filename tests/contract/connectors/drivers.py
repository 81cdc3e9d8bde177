"""The other side of each connector: what the suite puts where a source reads, and finds where a sink writes."""

from __future__ import annotations

import io
import json
import os
import re
import time
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq

from headwater.worker.api import Record
from headwater.worker.testing import Row, SinkDriver, SourceDriver
from tests.conftest import Database
from tests.servers.s3 import S3Server

LOGS = ("embedded", "kafka")


class FileSourceDriver(SourceDriver):
    """Each `put` is a file of its own, moved in whole."""

    connector_class = "FileSource"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "files"
        self._folder.mkdir()
        self._made = 0

    def config(self, name: str) -> dict[str, str]:
        return {
            "path": f"{self._folder}/*.jsonl",
            "format": "jsonl",
            "key.fields": "n",
            "topic": name,
            "poll.interval.ms": "20",
        }

    def put(self, numbers: Sequence[int]) -> None:
        self._file("".join(f'{{"n": {number}}}\n' for number in numbers))

    def spoil(self) -> None:
        self._file('{"n": \n')

    def _file(self, text: str) -> None:
        self._made += 1
        coming = self._folder.with_name("coming")
        coming.write_text(text)
        age_s = 10_000 - self._made  # files are read by age
        os.utime(coming, (time.time() - age_s, time.time() - age_s))
        coming.rename(self._folder / f"{self._made:04}.jsonl")

    def number(self, record: Record) -> int | None:
        found: int | None = None if record.value is None else record.value["n"]
        return found

    def cut(self) -> None:
        self._folder.rename(self._folder.with_name("away"))

    def mend(self) -> None:
        self._folder.with_name("away").rename(self._folder)


class FileStreamSourceDriver(SourceDriver):
    connector_class = "FileStreamSource"

    def __init__(self, folder: Path) -> None:
        self._file = folder / "lines"
        self._file.touch()

    def config(self, name: str) -> dict[str, str]:
        return {"file": str(self._file), "topic": name}

    def put(self, numbers: Sequence[int]) -> None:
        with self._file.open("a") as file:
            file.writelines(f"{number}\n" for number in numbers)

    def number(self, record: Record) -> int | None:
        return int(record.value)

    def cut(self) -> None:
        self._file.rename(self._file.with_name("away"))

    def mend(self) -> None:
        self._file.with_name("away").rename(self._file)


class FileStreamSinkDriver(SinkDriver):
    connector_class = "FileStreamSink"
    appends = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def config(self, target: str) -> dict[str, str]:
        return {"file": str(self._folder / target)}

    def rows(self, target: str) -> list[Row]:
        file = self._folder / target
        text = file.read_text() if file.is_file() else ""
        return [Row(int(n), t) for n, t in re.findall(r"^Struct\{id=(\d+),text=(.*)\}\n", text, re.MULTILINE)]

    def cut(self) -> None:
        """The disk is full."""
        file = self._folder / "view"
        file.rename(file.with_name("away"))
        file.symlink_to("/dev/full")

    def mend(self) -> None:
        (self._folder / "away").replace(self._folder / "view")


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


class _Parquet(SinkDriver):
    """`root`: the folder or the bucket of all views."""

    connector_class = "ParquetSink"
    mode = "latest.state"

    def __init__(self, root: str) -> None:
        self._root = root

    def config(self, target: str) -> dict[str, str]:
        return {"path": f"{self._root}/{target}", "view.mode": self.mode, "rotate.schedule.interval.ms": "0"}

    def rows(self, target: str) -> list[Row]:
        pointer = self._content(f"{self._root}/{target}/current.json")
        tables: dict[str, Any] = {} if pointer is None else json.loads(pointer)["tables"]
        found = []
        for path in [file for table in tables.values() for file in table["files"]]:
            content = self._content(path)
            assert content is not None, f"current.json names {path}, which is not there"
            found += pq.read_table(io.BytesIO(content), columns=["id", "text"]).to_pylist()
        return [Row(row["id"], row["text"]) for row in found]

    @abstractmethod
    def _content(self, path: str) -> bytes | None: ...

    def bad_record(self, record: Record) -> Record:
        return record.replace(key={"id": "eight"}, value={"id": "eight", "text": "bad"})


class ParquetDriver(_Parquet):
    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._view = folder / "view"

    def _content(self, path: str) -> bytes | None:
        file = Path(path)
        return file.read_bytes() if file.is_file() else None

    def cut(self) -> None:
        """Something else stands in its place."""
        self._view.rename(self._view.with_name("away"))
        self._view.touch()

    def mend(self) -> None:
        self._view.unlink()
        self._view.with_name("away").rename(self._view)


class ChangeLogDriver(ParquetDriver):
    mode = "change.log"
    appends = True


class ParquetOnS3Driver(_Parquet):
    def __init__(self, s3: S3Server, bucket: str) -> None:
        super().__init__(f"s3://{bucket}")
        self._s3, self._bucket = s3, bucket
        self._client = s3.client()
        self._folder = s3.data / bucket

    def config(self, target: str) -> dict[str, str]:
        return {
            **super().config(target),
            "store.url": self._s3.endpoint,
            "aws.access.key.id": self._s3.access_key,
            "aws.secret.access.key": self._s3.secret_key,
        }

    def _content(self, path: str) -> bytes | None:
        key = path.removeprefix(f"{self._root}/")
        try:
            body: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None
        return body

    def cut(self) -> None:
        """The bucket is gone."""
        self._folder.rename(self._folder.with_name(f"{self._bucket}-away"))

    def mend(self) -> None:
        self._folder.with_name(f"{self._bucket}-away").rename(self._folder)
