"""Views of Parquet files, read as their `current.json` says."""

from __future__ import annotations

import io
import json
from abc import abstractmethod
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from headwater.worker.api import Record
from headwater.worker.testing import Row, SinkDriver
from tests.servers.s3 import S3Server


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
