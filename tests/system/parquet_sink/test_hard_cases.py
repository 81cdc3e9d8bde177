"""What people and servers do to a view: files taken away or damaged, names too long, too many folders at once."""

from __future__ import annotations

import os
import resource
import shutil
from pathlib import Path

import pytest

from headwater.connectors.debezium import names
from headwater.connectors.parquet.sink import change_log
from headwater.connectors.parquet.sink.generations import ParquetGenerations
from headwater.connectors.parquet.sink.manifests import Manifests
from headwater.connectors.parquet.sink.sweep import Sweep
from headwater.connectors.parquet.storage import LocalStorage
from headwater.worker.api import Fatal, Retriable, TopicPartition, Type, primitive, struct
from tests.system.postgres_sink.records import INT32, TEXT, TOPIC, Topic

from .task import Task, current, rows, values

pytestmark = pytest.mark.system
MODES = ("change.log", "latest.state")
REGION = struct({"id": INT32, "region": TEXT})


def test_manifests_that_somebody_deleted(tmp_path: Path) -> None:
    """Begun again beside the old current.json, the view would never be shown, and would lack what it had."""
    topic = Topic(flat=True)
    with Task(values(tmp_path)) as task:
        task.put(topic.put({"id": 1}))
    shutil.rmtree(tmp_path / "manifests")
    with pytest.raises(Fatal, match="manifests/g1 are gone"):
        Task(values(tmp_path))
    assert [row["id"] for row in rows(tmp_path)] == [1]


def test_a_pointer_that_somebody_deleted(tmp_path: Path) -> None:
    topic = Topic(flat=True)
    made = values(tmp_path)
    with Task(made) as task:
        task.put(topic.put({"id": 1}))
        (tmp_path / "current.json").unlink()
        task.put(topic.put({"id": 2}))
        assert [row["id"] for row in rows(tmp_path)] == [1, 2]
        generations = ParquetGenerations(made, "view")
        generations.create(2, {})
        (tmp_path / "current.json").unlink()
        with pytest.raises(Fatal, match="which of the generations"):
            task.put(topic.put({"id": 3}))
        generations.close()


@pytest.mark.parametrize("mode", MODES)
def test_verification_of_a_file_that_somebody_deleted_or_damaged(tmp_path: Path, mode: str) -> None:
    topic = Topic(flat=True)
    made = values(tmp_path, view_mode=mode)
    with Task(made) as task:
        task.put(*[topic.put({"id": n, "name": f"n{n * 7919}"}) for n in range(2000)])
    (file,) = tmp_path.glob("g1/data/**/*.parquet")
    whole = file.read_bytes()
    reader = ParquetGenerations(made, "view").pin(1)
    sound = reader.fingerprint()
    for at in range(4, len(whole) - 1000, 2399):
        file.write_bytes(whole[:at] + bytes(255 - byte for byte in whole[at : at + 40]) + whole[at + 40 :])
        try:
            assert reader.fingerprint() != sound
        except Fatal as error:
            assert str(file) in str(error)
    file.unlink()
    with pytest.raises(Fatal, match="somebody deleted"):
        reader.fingerprint()
    reader.close()


def test_verification_that_takes_too_long(tmp_path: Path) -> None:
    """Its files were replaced and swept: that is nobody's fault."""
    topic = Topic(flat=True)
    made = values(tmp_path, view_mode="latest.state", file_delete_delay_ms="0")
    with Task(made) as task:
        task.put(topic.put({"id": 1, "qty": 1}))
        reader = ParquetGenerations(made, "view").pin(1)
        task.put(topic.put({"id": 1, "qty": 2}))
        storage = LocalStorage(str(tmp_path))
        Sweep(storage, made, Manifests(storage, "view", 1)).run()
        with pytest.raises(Retriable, match=r"file\.delete\.delay\.ms"):
            reader.fingerprint()
        reader.close()


def test_something_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "g1").write_text("mine")
    with Task(values(tmp_path)) as task, pytest.raises(Fatal, match="stands where the view has"):
        task.put(Topic(flat=True).put({"id": 1}))
    assert (tmp_path / "g1").read_text() == "mine"


@pytest.mark.parametrize("mode", MODES)
def test_the_longest_names(tmp_path: Path, mode: str) -> None:
    name = "t" * 249  # as long as Kafka allows
    topic = Topic(REGION, flat=True, topic=name)
    options = {} if mode == "latest.state" else {"partitioner_class": "field", "partition_field_name": "region"}
    with Task(values(tmp_path, view_mode=mode, **options), TopicPartition(name, 0)) as task:
        task.put(*[topic.put({"id": n, "region": "ü" * 300 + str(n)}) for n in range(2)])
        assert not task.bad
    assert [row["region"][-1] for row in rows(tmp_path, name)] == ["0", "1"]
    if mode == "change.log":
        assert len(current(tmp_path)["tables"][name]["files"]) == 3


def test_more_folders_in_one_batch_than_files_may_be_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_log, "MOST_OPEN", 20)
    topic = Topic(REGION, flat=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Task(values(tmp_path, partitioner_class="field", partition_field_name="region")) as task:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 50, hard))
        try:
            task.put(*[topic.put({"id": n, "region": f"r{n % 90}"}) for n in range(180)])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(rows(tmp_path)) == 180
    assert len(list(tmp_path.glob("g1/data/*/region=*"))) == 90


def test_events_without_a_row_in_folders_of_time(tmp_path: Path) -> None:
    """A delete holds the key alone, where the table's replica identity is the default."""
    at = primitive(Type.INT64, optional=True, name=names.MICRO_TIMESTAMP, version=1)
    topic = Topic(struct({"id": INT32, "at": at}))
    made = values(
        tmp_path, partitioner_class="daily", timestamp_extractor="RecordField", timestamp_field="at"
    )  # fmt: skip
    with Task(made) as task:
        records = [topic.put({"id": 1, "at": 86_400_000_000}), topic.delete(id=1), topic.truncate()]
        for record in records:
            record.timestamp_ms = 0
        task.put(*records, topic.put({"id": 2, "at": None}))
        assert len(task.bad) == 1
    days = [path.parent.name for path in tmp_path.glob("g1/data/**/*.parquet")]
    assert sorted(days) == ["day=01", "day=02"]
    assert [row["__op"] for row in rows(tmp_path)] == ["c", "d", "t"]


def test_many_bad_rows_among_good_ones(tmp_path: Path) -> None:
    topic = Topic(flat=True)
    with Task(values(tmp_path)) as task:
        task.put(*[topic.put({"id": n, "qty": n if n % 3 else "no number"}) for n in range(2000)])
        assert [record.offset for record, _ in task.bad] == list(range(0, 2000, 3))
    assert [row["__offset"] for row in rows(tmp_path, TOPIC)] == [n for n in range(2000) if n % 3]
