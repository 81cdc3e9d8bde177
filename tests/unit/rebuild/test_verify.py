"""A verification finds what is wrong with a view, and nothing where nothing is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headwater.worker.api import Reader, TopicPartition
from headwater.worker.rebuild.stages import run
from headwater.worker.rebuild.topic_marks import complete_marks
from headwater.worker.rebuild.work import Work
from headwater.worker.runtime.internal_topics import InternalTopics

from .job_runner import Silent
from .scene import SETTINGS, VIEW, RunningTask, Scene, item, outcome, wait_for


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    scene.fill(200)
    scene.start_worker()
    wait_for(lambda: view_rows(scene) == 160)
    yield scene
    scene.close()


def view_rows(scene: Scene) -> int:
    from sqlite_view import rows_of

    return len(rows_of(scene.path))


def tamper(scene: Scene, statement: str) -> None:
    with sqlite3.connect(scene.path, timeout=120) as db:
        assert db.execute(statement).rowcount == 1


def verify(scene: Scene, **options: bool) -> tuple[str, list[str]]:
    scene.requests.verify(VIEW, options)
    assert scene.job() == 0
    return outcome(scene.state())


def test_a_right_view(scene: Scene) -> None:
    assert verify(scene) == ("done", [])
    result = scene.state().history[-1]["result"]
    assert result["expected"] == result["found"] == {"items": 160}


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE view SET value = replace(value, 'first 1', 'wrong') WHERE key = 'k1'", "items: row k1 differs: k1 "),
        ("DELETE FROM view WHERE key = 'k7'", "items: row k7 is missing in the view"),
        ("INSERT INTO view VALUES (1, 'items', 'ghost', '{}')", "items: row ghost should not be there: ghost {}"),
        ("INSERT INTO view VALUES (1, 'elsewhere', 'x', '{}')", "elsewhere: row x should not be there: x {}"),
    ],
)
def test_one_wrong_row(scene: Scene, statement: str, said: str) -> None:
    tamper(scene, statement)
    result, reasons = verify(scene)
    assert result == "failed"
    assert reasons[0] == "1 rows differ from what the log says"
    assert reasons[1].startswith(said)
    assert scene.state().current == 1


def test_a_value_that_compaction_has_taken_is_not_missed(scene: Scene) -> None:
    """A view saw it, the log no longer tells it: that of its row cannot be compared, others can."""
    scene.send([("k1", item(1) | {"unfilled": "name"}), ("k2", item(2) | {"unfilled": "name"}), ("k2", item(2))])
    assert verify(scene) == ("done", [])
    for key in ("k1", "k2"):
        tamper(scene, f"UPDATE view SET value = replace(value, 'first', 'seen') WHERE key = '{key}'")
    result, reasons = verify(scene)
    assert (result, len(reasons)) == ("failed", 2)
    assert reasons[1].startswith("items: row k2 differs")
    assert scene.state().history[-1]["result"]["unsettled"] == 1


def test_a_wrong_generation_is_not_swapped_in(scene: Scene) -> None:
    """The row is spoilt between the replay and the verification."""
    scene.requests.rebuild(VIEW, scene.config("id"), {"keep_failed": True})
    assert scene.job("call", "finish_load", "after") < 0
    tamper(scene, "DELETE FROM view WHERE generation = 2 AND key = 'k7'")
    assert scene.job() == 0
    state = scene.state()
    result, reasons = outcome(state)
    assert result == "failed" and "items: row k7 is missing in the view" in reasons
    assert state.current == 1 and state.generations[2].phase == "failed"
    assert scene.requests.drop_failed(VIEW) == 2
    assert scene.job() == 0
    assert list(scene.state().generations) == [1]


@pytest.fixture
def things(scene: Scene, tmp_path: Path) -> Iterator[str]:
    """The path of a source's database, whose 49 rows lie in the topic `things` and in the view at `things.db`."""
    from sqlite_source import change

    path = str(tmp_path / "source.db")
    scene.send_raw("headwater-topics", b'["complete","items"]', None)
    scene.log.create_topic("things", 1, {"cleanup.policy": "compact"})
    source = {"name": "things-source", "connector.class": "SqliteSource", "path": path, "topic": "things"}
    scene.put_config(source)
    scene.put_config(scene.config(topics="things", path=str(tmp_path / "things.db")))
    for number in range(50):
        change(path, f"k{number}", item(number))
    change(path, "k3", None)
    assert scene.worker is not None
    scene.worker.stop()
    task = RunningTask(scene.data, source, 1)
    try:
        scene.start_worker()
        wait_for(lambda: "things" in complete_marks(scene.log, InternalTopics()))
        yield path
    finally:
        task.stop()


def test_against_the_source(scene: Scene, things: str, tmp_path: Path) -> None:
    assert verify(scene, source=True) == ("done", [])
    result = scene.state().history[-1]["result"]
    assert result["against"] == "source" and result["found"] == {"things": 49}
    with sqlite3.connect(tmp_path / "things.db", timeout=120) as db:
        db.execute("DELETE FROM view WHERE key = 'k5'")
    assert verify(scene, source=True)[1][1] == "things: row k5 is missing in the view"


def test_against_a_source_beside_changes_on_a_compacted_log(
    scene: Scene, things: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On its way to the snapshot's point the view may miss a record that compaction has taken for a newer one."""
    from sqlite_source import change
    from sqlite_view import SqliteGenerations

    pin = SqliteGenerations.pin
    assert verify(scene, source=True) == ("done", [])
    with sqlite3.connect(tmp_path / "things.db", timeout=120) as db:
        db.execute("UPDATE view SET value = '{}' WHERE key IN ('k5', 'k6')")
    here = TopicPartition("things", 0)

    def pinned(self: SqliteGenerations, generation: int) -> Reader:
        reader = pin(self, generation)
        end = scene.log.end_offsets([here])[here]
        change(things, "k6", item(6))
        wait_for(lambda: scene.log.end_offsets([here])[here] > end)
        return reader

    monkeypatch.setattr(SqliteGenerations, "pin", pinned)
    scene.requests.verify(VIEW, {"source": True})
    with closing(Work(VIEW, scene.log, SETTINGS, Silent(), lambda fields: None)) as work:
        run(work)
    (_, reason) = outcome(scene.state())[1]
    assert reason.startswith("things: row k5 differs")
    assert scene.state().history[-1]["result"]["unsettled"] == 1


def test_without_a_mark_the_source_cannot_be_asked(scene: Scene) -> None:
    scene.send_raw("headwater-topics", b'["complete","items"]', None)
    result, reasons = verify(scene, source=True)
    assert result == "failed" and "nothing on the log says that these topics hold a complete snapshot" in reasons[0]
