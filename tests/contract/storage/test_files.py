"""Large files: written piece by piece, visible whole or not at all, read at random."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.connectors.parquet.storage import Storage

MB = 1024 * 1024
SMALL, LARGE = 3000, 12 * MB + 17


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def written(storage: Storage, path: str, data: bytes) -> None:
    output = storage.open_output(path)
    for start in range(0, len(data), 700_001):
        assert output.write(memoryview(data)[start : start + 700_001]) > 0
        assert output.buffered_bytes <= 5 * MB
    assert output.tell() == len(data)
    output.publish()


@pytest.mark.parametrize("size", [0, 1, SMALL, 5 * MB, LARGE])
def test_written_and_read(storage: Storage, size: int) -> None:
    data = content(size)
    written(storage, "g1/data/shop.orders+0+42.parquet", data)
    [info] = storage.list("g1")
    assert (info.path, info.size_bytes) == ("g1/data/shop.orders+0+42.parquet", size)
    assert abs(info.modified_ms / 1000 - time.time()) < 3600
    with storage.open_input(info.path) as source:
        assert source.size() == size
        assert source.read() == data
    found = storage.read(info.path)
    assert found is not None and found[0] == data


def test_read_at_random(storage: Storage) -> None:
    data = content(LARGE)
    written(storage, "f", data)
    with storage.open_input("f") as source:
        for _ in range(20):
            start, size = random.randrange(LARGE), random.randrange(100_000)
            source.seek(start)
            assert source.read(size) == data[start : start + size]


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_nothing_is_visible_before_publish(storage: Storage, open_place: Callable[[], Storage], size: int) -> None:
    output = storage.open_output("g1/f")
    output.write(content(size))
    output.flush()
    output.close()
    assert list(open_place().list()) == [] and storage.read("g1/f") is None
    output.discard()
    output.discard()
    assert list(open_place().list()) == [] and storage.abandon_uploads(older_than_s=0) == 0
    with pytest.raises(ValueError, match="published or discarded"):
        output.publish()


def test_publish_replaces_an_orphan(storage: Storage) -> None:
    for size in (LARGE, SMALL):
        written(storage, "f", content(size))
        found = storage.read("f")
        assert found is not None and found[0] == content(size)


def test_the_old_content_stays_until_publish(storage: Storage) -> None:
    written(storage, "f", content(SMALL))
    output = storage.open_output("f")
    output.write(content(LARGE))
    assert (storage.read("f") or (b"", ""))[0] == content(SMALL)
    output.discard()
    assert (storage.read("f") or (b"", ""))[0] == content(SMALL)


def test_a_writer_that_fails_leaves_nothing(storage: Storage) -> None:
    """pyarrow closes its file in any case."""
    output = storage.open_output("f.parquet")
    with pytest.raises(RuntimeError, match="the task failed"), pq.ParquetWriter(output, _SCHEMA) as writer:
        writer.write_table(_table(1000))
        raise RuntimeError("the task failed")
    output.discard()
    assert list(storage.list()) == []


def test_parquet_there_and_back(storage: Storage) -> None:
    output = storage.open_output("f.parquet")
    with pq.ParquetWriter(output, _SCHEMA, compression="none", use_dictionary=False) as writer:
        for _ in range(3):
            writer.write_table(_table(400_000))
    output.publish()
    with storage.open_input("f.parquet") as source, pq.ParquetFile(source, pre_buffer=True) as file:
        assert file.metadata.num_row_groups == 3
        assert file.read_row_group(1, columns=["n"]).column("n").to_pylist() == list(range(400_000))


def test_no_such_file(storage: Storage) -> None:
    with pytest.raises(FileNotFoundError):
        storage.open_input("g1/missing")


def test_list_in_order(storage: Storage) -> None:
    paths = ["a.b/1", "a/b/1", "a/b/c/2", "a/b+c/3", "a0", "b/ä ö", "b/\U0001f600", "b/\uffee", "b/x=1/y=%2F", "z"]
    for path in paths:
        storage.create(path, path.encode())
    assert [f.path for f in storage.list()] == sorted(paths, key=str.encode)
    assert [f.path for f in storage.list("a")] == ["a/b+c/3", "a/b/1", "a/b/c/2"]
    assert [f.path for f in storage.list("a/b")] == ["a/b/1", "a/b/c/2"]
    for path in paths:
        assert (storage.read(path) or (b"", ""))[0] == path.encode()


def test_delete(storage: Storage) -> None:
    paths = [f"g{n % 3}/d/{n}" for n in range(9)]
    for path in paths:
        storage.create(path, b"x")
    storage.delete([*paths[:6], "g0/d/never was"])
    assert [f.path for f in storage.list()] == paths[6:]
    storage.delete(paths)
    assert list(storage.list()) == []


@pytest.mark.parametrize("place", ["local", "versitygw"], indirect=True)  # moto says that all began in 2010
def test_left_uploads_are_swept_up(storage: Storage) -> None:
    """A writer that died: neither `publish` nor `discard`."""
    dead, other = storage.open_output("g1/data/f"), storage.open_output("g2/data/f")
    for output in (dead, other):
        output.write(content(LARGE))
    assert storage.abandon_uploads("g1", older_than_s=3600) == 0
    time.sleep(1.1)
    assert storage.abandon_uploads("g1", older_than_s=0) == 1
    assert storage.abandon_uploads("g1", older_than_s=0) == 0
    other.publish()
    assert [f.path for f in storage.list()] == ["g2/data/f"]


_SCHEMA = pa.schema({"n": pa.int64(), "text": pa.string()})


def _table(rows: int) -> pa.Table:
    return pa.table({"n": range(rows), "text": [f"row {n}" for n in range(rows)]}, schema=_SCHEMA)
