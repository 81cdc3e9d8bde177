"""What the way to the content raises comes out as it is: it is no damage, after which the rest would be left out."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.connectors.formats import START, Format, decompressed
from headwater.connectors.formats.avro import Avro
from headwater.connectors.formats.json_lines import JsonLines
from headwater.connectors.formats.parquet import Parquet
from headwater.worker.api import Retriable

from .content import compress

ROWS = [{"id": n, "text": f"{n} " * 50} for n in range(6_000)]


class Failing(io.BytesIO):
    """One of its reads fails."""

    def __init__(self, data: bytes, left: list[int]) -> None:
        super().__init__(data)
        self._left = left

    def _fail(self) -> None:
        self._left[0] -= 1
        if self._left[0] == 0:
            raise Retriable("the store does not answer")

    def read(self, size: int | None = -1, /) -> bytes:
        self._fail()
        return super().read(size)

    def read1(self, size: int | None = -1, /) -> bytes:
        self._fail()
        return super().read1(size)


class Far:
    complete = True

    def __init__(self, data: bytes, codec: str, whole: bool, fails: int) -> None:
        self._data, self._codec, self._whole, self._left = data, codec, whole, [fails]

    def open(self, at: int = 0) -> BinaryIO:
        raw = cast(BinaryIO, Failing(self._data, self._left))
        return raw if self._whole else decompressed(raw, self._codec, at, self.complete)

    @property
    def failed(self) -> bool:
        return self._left[0] <= 0


def content(kind: str) -> bytes:
    made = io.BytesIO()
    if kind == "avro":
        fields = [{"name": "id", "type": "int"}, {"name": "text", "type": "string"}]
        fastavro.writer(
            made, {"type": "record", "name": "r", "fields": fields}, ROWS, codec="deflate", sync_interval=300_000
        )
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), made, row_group_size=1_500, data_page_size=10_000)
    return made.getvalue()


@pytest.mark.parametrize("codec", ["none", "gzip", "zstd"])
def test_lines(codec: str) -> None:
    text = b"".join(b'{"id": %d, "text": "%s"}\n' % (row["id"], b"x" * 100) for row in ROWS)
    passed_on(JsonLines({}, 10_000), compress(text, codec), codec)


def test_avro() -> None:
    passed_on(Avro(1 << 20), content("avro"))


def test_parquet() -> None:
    passed_on(Parquet(), content("parquet"))


def passed_on(format: Format, data: bytes, codec: str = "none") -> None:
    """Whichever read it is."""
    tried = 0
    while True:
        far = Far(data, codec, format.whole, tried + 1)
        try:
            rows = len(list(format.rows(far, START)))
        except Retriable:
            tried += 1
            assert far.failed
            continue
        assert rows == len(ROWS) and not far.failed
        break
    assert tried > 1
