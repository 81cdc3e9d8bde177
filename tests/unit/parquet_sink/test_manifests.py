from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from headwater.connectors.parquet.sink.manifest import FileEntry, Manifest, PartitionState, Table, dump, load
from headwater.connectors.parquet.sink.manifests import INLINE, Manifests
from headwater.connectors.parquet.sink.pointer import Pointer
from headwater.connectors.parquet.storage import LocalStorage
from headwater.worker.api import Fatal, Fenced, TopicPartition

SCHEMA = pa.schema([pa.field("id", pa.int32(), metadata={"connect.name": "x"})])


def entry(number: int) -> FileEntry:
    return FileEntry(f"g1/data/t/t+0+{number:020d}+abcdefabcdef-1.parquet", "t", 10, 1000, "t", 0, number)


def test_it_comes_back_as_it_went() -> None:
    manifest = Manifest(
        2, 7, "change.log", 5, 6, False, False, {TopicPartition("t", 0): PartitionState("id", "me", 3)},
        {"t": Table(SCHEMA, "s.parquet", ("t",), ("id",))}, (entry(1),), (), (("old", 4),),
    )  # fmt: skip
    assert load(dump(manifest), "here") == manifest
    assert dump(manifest) != dump(manifest)
    assert load(dump(manifest), "here").tables["t"].schema.equals(SCHEMA, check_metadata=True)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format":1}', b'{"format":2}', b'{"format":1,"files":3}'])
def test_damage_is_said(data: bytes) -> None:
    with pytest.raises(Fatal, match="here"):
        load(data, "here")


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    storage = LocalStorage(str(tmp_path))
    one, two = Manifests(storage, "v", 1), Manifests(storage, "v", 1)
    one.create("change.log", True)
    for number in range(20):
        writer = (one, two)[number % 2]
        writer.commit(lambda m, n=number: m.with_(files=(*m.files, entry(n))))  # type: ignore[misc]
    newest = one.newest()
    assert newest is not None and newest.version == 21
    assert [f.first for f in newest.files] == list(range(20))


def test_who_slept_through_an_expiry_is_fenced(tmp_path: Path) -> None:
    storage = LocalStorage(str(tmp_path))
    awake = Manifests(storage, "v", 1)
    awake.create("change.log", True)

    def slow(base: Manifest) -> Manifest:
        """While this writer sleeps, between reading and making, others go on and old manifests expire."""
        for number in range(30):
            awake.commit(lambda m, n=number: m.with_(files=(entry(n),)))  # type: ignore[misc]
        awake.expire(-1)
        return base.with_(files=(entry(99),))

    with pytest.raises(Fenced, match="slept"):
        Manifests(storage, "v", 1).commit(slow)
    newest = Manifests(storage, "v", 1).newest()
    assert newest is not None and newest.version == 31 and newest.files == (entry(29),)
    assert len(list(tmp_path.glob("manifests/g1/*"))) == 10


def test_a_dropped_generation_takes_no_commit(tmp_path: Path) -> None:
    storage = LocalStorage(str(tmp_path))
    one, two = Manifests(storage, "v", 1), Manifests(storage, "v", 1)
    one.create("change.log", True)
    two.newest()
    one.close()
    with pytest.raises(Fenced, match="dropped"):
        two.commit(lambda m: m)
    one.delete()
    with pytest.raises(Fenced, match="dropped"):
        two.commit(lambda m: m)
    assert not list(tmp_path.rglob("*.json"))


def test_a_hundred_thousand_files(tmp_path: Path) -> None:
    """Manifests stay small; readers' list has them all, in order."""
    storage = LocalStorage(str(tmp_path))
    manifests, pointer = Manifests(storage, "v", 1), Pointer(storage, "v")
    first = manifests.create("change.log", True)
    pointer.begin(manifests, first)
    tables = {"t": Table(SCHEMA, "g1/schemas/t/x.parquet", ("t",))}
    for start in range(0, 100_000, 4_000):
        made = tuple(map(entry, range(start, start + 4_000)))
        newest = manifests.commit(lambda m, made=made: m.with_(tables=tables, files=(*m.files, *made)))  # type: ignore[misc]
    assert len(newest.files) <= INLINE and newest.rows == 1_000_000
    pointer.follow(manifests, newest)
    assert [f.first for f in Manifests(storage, "v", 1).files(newest)] == list(range(100_000))
    largest = max(path.stat().st_size for path in tmp_path.glob("manifests/g1/*"))
    assert largest < 1_000_000
    assert (tmp_path / "current.json").stat().st_size < 30_000_000
