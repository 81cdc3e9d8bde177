"""A worker with a view that is rebuilt: generations side by side, the job's process, barriers, files out of date."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headwater.worker.cluster.refusals import NotNow, NotValid
from headwater.worker.cluster.standalone import Standalone
from headwater.worker.rebuild.requests import ViewRequests
from tests.plugins.sqlite_source import change
from tests.plugins.sqlite_view import rows_of
from tests.servers.process import kill_group

from .scene import eventually

pytestmark = pytest.mark.system

SOURCE = {
    "name": "people",
    "connector.class": "SqliteSource",
    "topic": "people",
    "key.converter": "StringConverter",
    "value.converter": "JsonConverter",
    "value.converter.schemas.enable": "false",
}
VIEW = {
    "name": "people-view",
    "connector.class": "SqliteView",
    "topics": "people",
    "key.converter": "StringConverter",
    "value.converter": "JsonConverter",
    "value.converter.schemas.enable": "false",
    "restart.backoff.initial.ms": "50",
    "restart.max.attempts": "-1",
}


@pytest.fixture
def worker(tmp_path: Path, any_log: dict[str, str]) -> Iterator[Standalone]:
    running = Standalone(any_log, tmp_path / "data")
    running.start()
    yield running
    running.stop()


def rows(path: Path) -> dict[str, Any]:
    """What readers of the view see."""
    return {key: value for (_, key), value in rows_of(str(path)).items()}


def test_a_rebuild_runs_beside_the_live_view_and_survives_kills(
    tmp_path: Path, worker: Standalone, caplog: pytest.LogCaptureFixture
) -> None:
    database, view = tmp_path / "people.db", tmp_path / "view.db"
    people = {f"p{n}": {"name": f"n{n}", "age": n} for n in range(3_000)}
    with closing(sqlite3.connect(database, timeout=10)) as db:
        change(str(database), "p0", people["p0"])
        values = [(key, json.dumps(value)) for key, value in people.items()]
        db.executemany("INSERT INTO change (key, value) VALUES (?, ?)", values)
        db.commit()
    source = {**SOURCE, "path": str(database)}
    before = {**VIEW, "path": str(view), "fields": "name,age"}
    after = {**VIEW, "path": str(view), "fields": "name"}
    assert worker.apply_files([("people", source), ("people-view", before)])["people-view"] == "created"
    eventually(lambda: rows(view) == people)

    shaped = {**before, "fields": "age,name"}
    assert worker.apply_files([("people", source), ("people-view", shaped)])["people-view"] == "changed"
    assert "people-view: fields changed, which shapes only rows that are written from now on" in caplog.text
    assert worker.apply_files([("people", source), ("people-view", before)])["people-view"] == "changed"
    eventually(lambda: rows(view) == people)

    requests = ViewRequests(worker.log, worker.settings)
    requests.rebuild("people-view", after, {"keep": "1h", "promote": "manual"})
    with pytest.raises(NotNow):
        worker.put_config("people-view", {**before, "fields": "age"})
    dice = random.Random(1)
    for _ in range(6):
        time.sleep(dice.uniform(0.1, 0.6))
        change(str(database), "p1", {"name": f"n{dice.random()}", "age": 1})
        alive = eventually(lambda: [s["pid"] for s in worker.snapshot() if s["pid"]])
        kill_group(dice.choice(alive))
    change(str(database), "p1", {"name": "last", "age": 1})
    requests.wish("people-view", "promote")
    eventually(lambda: requests.state("people-view").job is None, 240)
    state = requests.state("people-view")
    assert state.history[-1]["outcome"] == "done", state.history
    expected = {key: {"name": value["name"]} for key, value in people.items()} | {"p1": {"name": "last"}}
    eventually(lambda: rows(view) == expected)
    eventually(lambda: worker.status("people-view")["generation"] == 2)
    assert worker.config("people-view")["fields"] == "name"

    assert worker.apply_files([("people", source), ("people-view", before)])["people-view"] == "kept"
    assert worker.config("people-view")["fields"] == "name"
    # an edit of something else in the file that is out of date, a connector deleted and made again: no way around
    edited = {**before, "restart.max.attempts": "7"}
    assert worker.apply_files([("people", source), ("people-view", edited)])["people-view"] == "kept"
    with pytest.raises(NotValid, match=r"takes back .* \(fields\).*headwater connectors show people-view"):
        worker.put_config("people-view", edited)
    worker.delete("people-view")
    with pytest.raises(NotValid, match=r"\(fields\).*headwater views people-view --json"):
        worker.put_config("people-view", before)
    assert worker.apply_files([("people", source), ("people-view", before)])["people-view"] == "kept"
    assert worker.config("people-view") == after
    edited = {**after, "restart.max.attempts": "7"}
    assert worker.apply_files([("people", source), ("people-view", edited)])["people-view"] == "changed"
    assert worker.config("people-view") == edited
    eventually(lambda: worker.status("people-view")["generation"] == 2)
    requests.rollback("people-view", {})
    eventually(lambda: requests.state("people-view").job is None, 240)
    eventually(lambda: worker.status("people-view")["generation"] == 1)
    assert rows(view) == people | {"p1": {"name": "last", "age": 1}}
