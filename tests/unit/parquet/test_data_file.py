"""A file's row groups, its bounds of memory, and what its end leaves."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.connectors.parquet.data_file import CODECS, DataFile
from headwater.connectors.parquet.data_reader import file_schema, read_batches
from headwater.connectors.parquet.storage import LocalStorage
from headwater.worker.api import Fatal

SCHEMA = pa.schema({"id": pa.int64(), "text": pa.string()})


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(str(tmp_path / "view"))


def rows(start: int, count: int) -> pa.RecordBatch:
    ids = range(start, start + count)
    return pa.record_batch({"id": ids, "text": [f"row {i}" for i in ids]}, SCHEMA)


def test_row_groups_by_rows(storage: LocalStorage) -> None:
    file = DataFile(storage, "d/f.parquet", SCHEMA, row_group_rows=100)
    for start in (0, 30, 230):
        file.append(rows(start, 200 if start else 30))
    assert file.rows == 430
    facts = file.publish()
    found = pq.ParquetFile(f"{storage.root}/d/f.parquet")
    assert [found.metadata.row_group(i).num_rows for i in range(found.num_row_groups)] == [100, 100, 100, 100, 30]
    assert (facts.path, facts.rows, facts.row_groups) == ("d/f.parquet", 430, 5)
    assert facts.size_bytes == Path(storage.root, "d/f.parquet").stat().st_size
    assert [i for b in read_batches(storage, "d/f.parquet") for i in b.column("id").to_pylist()] == [*range(430)]


def test_memory_is_bounded(storage: LocalStorage) -> None:
    limit = 1_000_000
    file = DataFile(storage, "f.parquet", SCHEMA, row_group_bytes=limit)
    sizes = []
    for number in range(200):
        batch = rows(number * 1000, 1000)
        file.append(batch)
        assert file.buffered_bytes <= limit + batch.nbytes
        sizes.append(file.bytes)
    facts = file.publish()
    assert facts.row_groups > 3 and facts.size_bytes < sizes[-1]


@pytest.mark.parametrize("codec", CODECS)
def test_codecs(storage: LocalStorage, codec: str) -> None:
    file = DataFile(storage, "f.parquet", SCHEMA, compression=codec)
    file.append(rows(0, 10))
    file.publish()
    assert sum(batch.num_rows for batch in read_batches(storage, "f.parquet")) == 10


def test_some_columns(storage: LocalStorage) -> None:
    file = DataFile(storage, "f.parquet", SCHEMA)
    file.append(rows(5, 1))
    file.publish()
    [batch] = read_batches(storage, "f.parquet", ["text", "of another file"])
    assert batch.to_pylist() == [{"text": "row 5"}]
    assert file_schema(storage, "f.parquet") == SCHEMA


def test_no_rows(storage: LocalStorage) -> None:
    assert DataFile(storage, "f.parquet", SCHEMA).publish().rows == 0
    assert list(read_batches(storage, "f.parquet")) == [] and file_schema(storage, "f.parquet") == SCHEMA


def test_discarded(storage: LocalStorage) -> None:
    for appended in (0, 50, 500):
        file = DataFile(storage, "f.parquet", SCHEMA, row_group_rows=100)
        file.append(rows(0, appended))
        file.discard()
        file.discard()
        assert list(Path(storage.root).iterdir()) == [] and file.buffered_bytes == 0


def test_another_schema_is_refused(storage: LocalStorage) -> None:
    file = DataFile(storage, "f.parquet", SCHEMA)
    with pytest.raises(ValueError, match="another schema"):
        file.append(pa.record_batch({"id": [1]}))
    file.discard()


def test_damaged_files_are_named(storage: LocalStorage) -> None:
    storage.create("f.parquet", b"PAR1 and nothing more")
    with pytest.raises(Fatal, match=r"f\.parquet is damaged or no Parquet file"):
        list(read_batches(storage, "f.parquet"))
    with pytest.raises(FileNotFoundError):
        file_schema(storage, "missing.parquet")
