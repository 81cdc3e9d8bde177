"""The files of a Parquet view, from its `current.json`: one request says whether there is anything new.

Source: `connectors.parquet.sink.pointer` and `.manifest`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from headwater.connectors.object_store import READING, s3_errors, status
from headwater.worker.api import Fatal

from .listing import Bucket

FORMAT = 1
_NAME = re.compile(r"(.+)\+(\d+)\+([^+]*)\+[^+]+\.parquet")


class Table(NamedTuple):
    """`topic`: of the log, "" where there are several; `key`: columns, of a latest state."""

    topic: str
    key: tuple[str, ...]


class ViewFiles:
    """`files`: keys of the bucket -> the table of each, in the order of the log."""

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._bucket, self._prefix = bucket, prefix
        self._root = f"s3://{bucket.name}/{prefix}"
        self._tag = ""
        self.generation = 0
        self.files: dict[str, Table] = {}

    def look(self) -> bool:
        """False: nothing has changed, or there is no view yet. Raises `Retriable`, `Fatal`."""
        condition = {"IfNoneMatch": self._tag} if self._tag else {}
        found = self._read("current.json", condition)
        if found is None:
            return False
        document, self._tag = found
        if document.get("format") != FORMAT:
            raise Fatal(
                f"{self._root}current.json has format {document.get('format')!r}, this Headwater knows {FORMAT}: "
                "use the version of Headwater that wrote the view"
            )
        tables = self._tables(document["generation"], document["version"])
        if tables is None:
            self.read_anew()
            return False
        listed = [(key, name) for name, table in document["tables"].items() for key in self._keys(table["files"][1:])]
        self.files = {key: tables[name] for key, name in sorted(listed, key=_order)}
        self.generation = document["generation"]
        return True

    def read_anew(self) -> None:
        """Let the next `look` take what is there for new."""
        self._tag = ""

    def _keys(self, urls: list[str]) -> Iterator[str]:
        for url in urls:
            if not url.startswith(self._root):
                raise Fatal(f"the view at {self._root} names the file {url}, which does not lie in it: its folder was "
                            "moved. Rebuild the view where it is now")  # fmt: skip
            yield self._prefix + url.removeprefix(self._root)

    def _tables(self, generation: int, version: int) -> dict[str, Table] | None:
        """None: newer ones have been made meanwhile, and this one is gone."""
        found = self._read(f"manifests/g{generation}/{version:020d}.json", {})
        if found is None:
            return None
        made = {}
        for name, table in found[0]["tables"].items():
            topics = table["topics"]
            made[name] = Table(topics[0] if len(topics) == 1 else "", tuple(table["key"]))
        return made

    def _read(self, name: str, condition: dict[str, str]) -> tuple[dict[str, Any], str] | None:
        """Content and tag. None: not there, or as the condition says not changed."""
        from botocore.exceptions import ClientError

        self._bucket.requests += 1
        with s3_errors("read", f"{self._root}{name}", READING):
            try:
                answer = self._bucket.client.get_object(Bucket=self._bucket.name, Key=self._prefix + name, **condition)
                body = answer["Body"].read()
            except ClientError as error:
                if status(error) == 304 or error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                    return None
                raise
        try:
            document = orjson.loads(body)
            return {**document}, answer["ETag"]
        except (ValueError, TypeError) as error:
            raise Fatal(f"{self._root}{name} is damaged: {error!r}. Is a view of ParquetSink there?") from error


def _order(listed: tuple[str, str]) -> tuple[str, int, str, str]:
    """Topic, partition, first offset: what was written first comes first."""
    key = listed[0]
    found = _NAME.fullmatch(key, key.rfind("/") + 1)
    return (found[1], int(found[2]), found[3], key) if found else ("", 0, "", key)
