"""A task that falls asleep at any step, is replaced, and wakes up: it changes nothing that a reader can see."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headwater.connectors.parquet.sink.sink as sink_module
from headwater.connectors.parquet.sink.manifests import Manifests
from headwater.connectors.parquet.sink.sweep import Sweep
from headwater.connectors.parquet.storage import LocalStorage, Storage, open_storage
from headwater.worker.api import Fenced, Record, Values
from tests.system.postgres_sink.records import Topic

from .task import Task, current, rows, values

pytestmark = pytest.mark.system
MODES = ("change.log", "latest.state")


class Sleepy:
    """The storage of a task that sleeps before its `left`-th change of it, while `meanwhile` happens."""

    def __init__(self, storage: Storage, left: int, meanwhile: Callable[[], None]) -> None:
        self._storage, self._left, self._meanwhile = storage, left, meanwhile

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._storage, name)
        if name in ("create", "replace", "delete", "point"):
            return self._sleeping(found)
        return self._opening if name == "open_output" else found

    def _sleeping(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def made(*arguments: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                self._meanwhile()
            return call(*arguments)

        return made

    def _opening(self, path: str) -> Any:
        output: Any = self._storage.open_output(path)
        output.publish = self._sleeping(output.publish)
        return output


def write_all(made: Values, records: list[Record]) -> None:
    with Task(made) as task:
        (at,) = task.at.values()
        for start in range(at, len(records), 4):
            task.put(*records[start : start + 4])


def sweep(made: Values, root: Path) -> None:
    storage = LocalStorage(str(root))
    Sweep(storage, made, Manifests(storage, "view", 1)).run()


@pytest.mark.parametrize("mode", MODES)
def test_asleep_at_every_step(tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = Topic()
    records = [topic.put({"id": n % 5, "name": f"n{n}", "qty": n}) for n in range(8)]
    wanted = sorted({n % 5 if mode == "latest.state" else n: n for n in range(8)}.values())
    for left in itertools.count(1):
        root, woken = tmp_path / str(left), []
        made = values(root, view_mode=mode, latest_file_rows="5", flush_size="3", file_delete_delay_ms="0")

        def meanwhile(made: Values = made, root: Path = root, woken: list[int] = woken) -> None:
            monkeypatch.setattr(sink_module, "open_storage", open_storage)
            write_all(made, records)
            sweep(made, root)
            woken.append(1)

        monkeypatch.setattr(
            sink_module, "open_storage", lambda v, left=left, then=meanwhile: Sleepy(open_storage(v), left, then)
        )
        try:
            write_all(made, records)
        except Fenced:
            assert woken
        monkeypatch.setattr(sink_module, "open_storage", open_storage)
        assert sorted(row["qty"] for row in rows(root)) == wanted
        write_all(made, records)
        sweep(made, root)
        assert sorted(row["qty"] for row in rows(root)) == wanted
        named = {path for table in current(root)["tables"].values() for path in table["files"]}
        assert {str(path) for path in root.glob("g1/data/**/*.parquet")} == {p for p in named if "/data/" in p}
        if not woken:
            break
    assert left > 6
