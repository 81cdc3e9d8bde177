"""A bucket that is read."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.worker.api import Record
from headwater.worker.testing import SourceDriver
from tests.servers.cable import Cable
from tests.servers.s3 import S3Server


class S3SourceDriver(SourceDriver):
    """Each `put` is an object of its own. `cable`: to the server."""

    connector_class = "S3Source"

    def __init__(self, s3: S3Server, bucket: str, cable: Cable) -> None:
        self._s3, self._bucket, self._cable = s3, bucket, cable
        self._client = s3.client()
        self._made = 0

    def config(self, name: str) -> dict[str, str]:
        return {
            "path": f"s3://{self._bucket}/in",
            "format": "jsonl",
            "key.fields": "n",
            "topic": name,
            "s3.poll.interval.ms": "20",
            "store.url": f"http://{self._cable.address}",
            "aws.access.key.id": self._s3.access_key,
            "aws.secret.access.key": self._s3.secret_key,
        }

    def put(self, numbers: Sequence[int]) -> None:
        self._object("".join(f'{{"n": {number}}}\n' for number in numbers))

    def spoil(self) -> None:
        self._object('{"n": \n')

    def _object(self, text: str) -> None:
        self._made += 1
        self._client.put_object(Bucket=self._bucket, Key=f"in/{self._made:04}.jsonl", Body=text.encode())

    def number(self, record: Record) -> int | None:
        found: int | None = None if record.value is None else record.value["n"]
        return found

    def cut(self) -> None:
        self._cable.pull_out()

    def mend(self) -> None:
        self._cable.plug_in()
