"""Whatever is cut short, and wherever: nothing lost, nothing doubled, and readers see whole commits all the time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import headwater.connectors.parquet.sink.sink as sink_module
from headwater.connectors.parquet.sink.manifests import Manifests
from headwater.connectors.parquet.sink.sweep import Sweep
from headwater.connectors.parquet.storage import LocalStorage, Storage, open_storage
from headwater.worker.api import Fatal, Fenced, Record, Retriable, Values
from tests.servers.s3 import S3Server
from tests.system.postgres_sink.records import TOPIC, Topic

from .task import Task, current, rows, values

pytestmark = pytest.mark.system
MODES = ("change.log", "latest.state")


class Died(BaseException):
    """As much of a kill -9 as one process can show: no clean-up of the task's runs."""


class Mortal:
    """The storage of a task that dies at its `left`-th change of it, before or after it has happened."""

    def __init__(self, storage: Storage, left: int, after: bool) -> None:
        self._storage, self._left, self._after = storage, left, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._storage, name)
        if name in ("create", "replace", "delete", "point"):
            return self._dying(found)
        if name == "open_output":
            return self._opening(found)
        return found

    def _dying(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def made(*arguments: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Died
            result = call(*arguments)
            if self._left == 0:
                raise Died
            return result

        return made

    def _opening(self, call: Callable[[str], Any]) -> Callable[[str], Any]:
        def made(path: str) -> Any:
            output = call(path)
            output.publish = self._dying(output.publish)
            return output

        return made


def one_life(made: Values, records: list[Record], seen: Callable[[], None]) -> None:
    with Task(made) as task:
        (at,) = task.at.values()
        for start in range(at, len(records), 7):
            task.put(*records[start : start + 7])
            seen()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_every_step(tmp_path: Path, mode: str, after: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = Topic()
    records = [topic.put({"id": n % 11, "name": f"n{n}", "qty": n}) for n in range(30)]
    wanted = {n % 11: n for n in range(30)} if mode == "latest.state" else dict(enumerate(range(30)))

    def see() -> None:
        offsets = [row["qty"] for row in rows(tmp_path / str(left))]
        assert len(set(offsets)) == len(offsets)

    for left in itertools.count(1):
        made = values(tmp_path / str(left), view_mode=mode, latest_file_rows="5")
        monkeypatch.setattr(sink_module, "open_storage", lambda v, n=left: Mortal(open_storage(v), n, after))
        try:
            one_life(made, records, see)
            break
        except Died:
            monkeypatch.setattr(sink_module, "open_storage", open_storage)
            one_life(made, records, see)
        assert sorted(row["qty"] for row in rows(tmp_path / str(left))) == sorted(wanted.values())
        sweep(made, tmp_path / str(left))
        assert sorted(row["qty"] for row in rows(tmp_path / str(left))) == sorted(wanted.values())
    assert left > 8


def sweep(made: Values, root: Path) -> None:
    """The next task clears away what the killed one left; readers' files are whole afterwards."""
    with Task(made):
        storage = LocalStorage(str(root))
        Sweep(storage, made, Manifests(storage, "view", 1)).run()
        named = {path for table in current(root)["tables"].values() for path in table["files"]}
        there = {str(path) for path in root.glob("g1/data/**/*.parquet")}
        assert {path for path in named if "/data/" in path} <= there
        if made["view.mode"] == "change.log":
            assert there == {path for path in named if "/data/" in path}


def test_an_owner_that_comes_back_late(tmp_path: Path) -> None:
    """The zombie has all its files written when it is replaced; then the swept view holds none of them."""
    topic = Topic(flat=True)
    made = values(tmp_path)
    with Task(made) as old:
        record = topic.put({"id": 1})
        old.write([record])
        old.sink._writer.finish()
        with Task(made) as new:
            new.put(record)
            storage = LocalStorage(str(tmp_path))
            Sweep(storage, made, Manifests(storage, "view", 1)).run()
            with pytest.raises(Fenced):
                old.sink.flush()
            with pytest.raises(Fenced):
                old.write([record, topic.put({"id": 2})])
                old.sink.flush()
    assert [row["id"] for row in rows(tmp_path)] == [1]
    assert len(list(tmp_path.glob("g1/data/**/*.parquet"))) == 1


def test_a_gap_or_an_overlap_is_refused(tmp_path: Path) -> None:
    topic = Topic(flat=True)
    with Task(values(tmp_path)) as task:
        task.put(topic.put({"id": 1}))
        batch = task.batch([topic.put({"id": 2})])
        for wrong in (0, 2):
            batch.first = dict.fromkeys(batch.first, wrong)
            with pytest.raises(Fenced):
                task.sink.write(batch)


def test_replaced_files_stay_for_readers_and_go_then(tmp_path: Path) -> None:
    topic = Topic(flat=True)
    storage = LocalStorage(str(tmp_path))
    made = values(tmp_path, view_mode="latest.state")
    with Task(made) as task:
        for number in range(5):
            task.put(topic.put({"id": 1, "qty": number}))
        Sweep(storage, made, Manifests(storage, "view", 1)).run()
        assert len(list(tmp_path.glob("g1/data/**/*.parquet"))) == 5
        at_once = values(tmp_path, view_mode="latest.state", file_delete_delay_ms="0")
        Sweep(storage, at_once, Manifests(storage, "view", 1)).run()
        assert len(list(tmp_path.glob("g1/data/**/*.parquet"))) == 1
        task.put(topic.put({"id": 2, "qty": 9}))
    assert [(row["id"], row["qty"]) for row in rows(tmp_path)] == [(1, 4), (2, 9)]


def test_a_file_that_somebody_deleted(tmp_path: Path) -> None:
    topic = Topic(flat=True)
    with Task(values(tmp_path, view_mode="latest.state")) as task:
        task.put(topic.put({"id": 1}))
        for path in tmp_path.glob("g1/data/**/*.parquet"):
            path.unlink()
        with pytest.raises(Fatal, match="somebody deleted"):
            task.put(topic.put({"id": 1, "qty": 2}))


@pytest.fixture
def own_s3() -> Iterator[S3Server]:
    server = S3Server().start()
    try:
        yield server
    finally:
        server.close()


@pytest.mark.parametrize("mode", MODES)
def test_a_store_that_goes_away(own_s3: S3Server, mode: str) -> None:
    own_s3.create_bucket("lake")
    options = {"store_url": own_s3.endpoint, "aws_access_key_id": own_s3.access_key,
               "aws_secret_access_key": own_s3.secret_key, "s3_part_retries": "0", "view_mode": mode}  # fmt: skip
    made = values("s3://lake/view", **options)
    topic = Topic(flat=True)
    records = [topic.put({"id": n, "qty": n}) for n in range(6)]
    with Task(made) as task:
        task.put(*records[:2])
        task.write(records[2:4])
        own_s3.kill()
        with pytest.raises(Retriable, match="tries again"):
            task.sink.flush()
        own_s3.start()
    with Task(made) as task:
        assert list(task.assigned.values()) == [2]
        task.put(*records[2:])
    storage = open_storage(made)
    manifests = Manifests(storage, "view", 1)
    newest = manifests.newest()
    assert newest is not None and newest.rows == 6 and newest.tables[TOPIC]
