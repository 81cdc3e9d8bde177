"""Buckets on real servers, and a source without a worker that reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from headwater.connectors.s3.source import S3SourceConnector
from headwater.connectors.s3.source.task import S3Source
from tests.unit.files.driver import Driver


@dataclass(frozen=True)
class Store:
    """An empty bucket. `client`: an independent view of it; `options`: of a connector that may read it."""

    client: Any
    bucket: str
    options: dict[str, str]

    def put(self, key: str, data: bytes | str) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data.encode() if isinstance(data, str) else data)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=key)


class S3Driver(Driver):
    """See `Driver`. Options' dots are underscores; those that hold one of their own are in `raw`."""

    source: S3Source

    def __init__(
        self, store: Store, task: dict[str, str] | None = None, raw: dict[str, str] | None = None, **options: Any
    ) -> None:
        given = {"path": f"s3://{store.bucket}/in", "topic": "t", "s3_poll_interval_ms": 10}
        if "mode" in options:
            del given["topic"]
        self.store = store
        dotted = {name.replace("_", "."): str(value) for name, value in {**given, **options}.items()}
        super().__init__(S3SourceConnector(), task, **{**store.options, **dotted, **(raw or {})})

    @property
    def rounds(self) -> int:
        return self.source._finding.rounds

    @property
    def requests(self) -> int:
        return self.source._bucket.requests

    def drain(self, rounds: int = 3) -> S3Driver:
        """Until so many rounds of looking for objects have nothing new."""
        idle = 0
        while idle < rounds:
            before = len(self.log), dict(self.stored), self.rounds
            self.until(lambda before=before: self.rounds > before[2])
            idle = idle + 1 if (len(self.log), self.stored) == before[:2] else 0
        return self

    def read(self, commit: bool = True, ack: bool = True) -> int:
        count = super().read(commit, ack)
        if ack:
            self.ack()  # also where there is nothing new, as a worker does
        return count

    def one_batch(self) -> S3Driver:
        before = len(self.log)
        self.until(lambda: len(self.log) > before)
        return self

    def start(self, tolerant: bool = False) -> S3Driver:
        super().start(tolerant)
        return self

    def die(self) -> S3Driver:
        super().die()
        return self

    @property
    def objects(self) -> list[str]:
        """Keys that have a position of their own."""
        return sorted(p["key"] for text in self.stored if "key" in (p := orjson.loads(text)))
