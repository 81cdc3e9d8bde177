"""A rebuild from start to end, on a real log and a real (SQLite) view."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headwater.worker.cluster.view_state import ViewState
from headwater.worker.rebuild.requests import Conflict
from headwater.worker.rebuild.views_log import ViewWriter
from headwater.worker.runtime.internal_topics import InternalTopics

from .scene import SETTINGS, VIEW, Scene, item, outcome, wait_for


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.close()


def connect(path: str) -> sqlite3.Connection:
    from sqlite_view import connect as opened

    found: sqlite3.Connection = opened(path)
    return found


def rows(scene: Scene, generation: int | None = None) -> dict[tuple[str, str], dict[str, object]]:
    from sqlite_view import rows_of

    found: dict[tuple[str, str], dict[str, object]] = rows_of(scene.path, generation)
    return found


def model(count: int, *fields: str) -> dict[tuple[str, str], dict[str, object]]:
    """What `Scene.fill` leaves, with these columns."""
    names = {n: "changed" if n % 3 == 0 else "first" for n in range(count)}
    return {
        ("items", f"k{n}"): {f: v for f, v in item(n, name).items() if f in fields}
        for n, name in names.items()
        if n % 5
    }


def test_a_job_that_begins_at_the_same_moment_goes_first(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    known = scene.requests.state

    def begun(view: str) -> ViewState:
        ViewWriter(scene.log, InternalTopics.of(SETTINGS), "headwater", view).close()
        return known(view)

    monkeypatch.setattr(scene.requests, "state", begun)
    with pytest.raises(Conflict, match="Ask again"):
        scene.requests.rebuild(VIEW, None, {})
    assert known(VIEW).job is None
    monkeypatch.undo()
    assert scene.requests.rebuild(VIEW, None, {}) == scene.state().job


def test_a_new_config_is_built_verified_and_swapped_in(scene: Scene) -> None:
    scene.fill(300)
    scene.start_worker()
    wait_for(lambda: len(rows(scene)) == 240)
    scene.requests.rebuild(VIEW, scene.config("id,name"), {"keep": "1h"})
    with pytest.raises(Conflict, match="rebuild of items-view is running"):
        scene.requests.verify(VIEW, {})
    assert scene.job() == 0
    state = scene.state()
    assert outcome(state) == ("done", [])
    assert state.current == 2 and state.job is None
    assert state.generations[1].phase == "kept" and state.generations[2].phase == "live"
    assert rows(scene) == model(300, "id", "name")
    assert state.history[-1]["result"]["found"] == {"items": 240}
    assert state.history[-1]["plan"]["config"] == {"changed": ["fields"]}
    # both generations go on; the config topic says what the live one is
    scene.send([("k1", item(1, "later")), ("k2", None)])
    wait_for(lambda: rows(scene, 1).get(("items", "k1")) == item(1, "later"))
    wait_for(lambda: rows(scene, 2).get(("items", "k1")) == {"id": 1, "name": "later 1"})
    from .scene import stored_config

    assert stored_config(scene.log, VIEW)["fields"] == "id,name"
    assert state.superseded(scene.config()) and not state.superseded(scene.config("id,name"))


def test_the_old_generation_comes_back_up_to_date_and_goes_when_its_time_is_over(scene: Scene) -> None:
    scene.fill(100)
    scene.start_worker()
    scene.requests.rebuild(VIEW, scene.config("id"), {"keep": "1h"})
    assert scene.job() == 0
    scene.send([("new", item(7))])
    scene.requests.rollback(VIEW, {"keep": "1ms"})
    assert scene.job() == 0
    state = scene.state()
    assert outcome(state) == ("done", []) and state.current == 1
    assert rows(scene)["items", "new"] == item(7)
    # generation 2's time was over at once: nothing of it stays
    assert list(state.generations) == [1]
    assert rows(scene, 2) == {}
    assert scene.log.committed(f"connect-{VIEW}-g2") == {}
    with pytest.raises(Conflict, match=r"no earlier generation .* kept any more"):
        scene.requests.rollback(VIEW, {})
    # numbers are not used again
    scene.requests.rebuild(VIEW, None, {"keep": "0"})
    assert scene.job() == 0
    assert scene.state().current == 3 and list(scene.state().generations) == [3]


def test_changes_made_meanwhile_are_in_the_result(scene: Scene) -> None:
    scene.fill(2000)
    scene.start_worker()
    done = threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            scene.send((f"k{n % 500}", item(n, f"live {n}")) for n in range(number, number + 50))
            number += 50
            done.wait(0.02)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        scene.requests.rebuild(VIEW, scene.config("id,name"), {})
        assert scene.job() == 0
    finally:
        done.set()
        writer.join()
    assert outcome(scene.state()) == ("done", [])
    scene.requests.verify(VIEW, {})
    assert scene.job() == 0
    assert outcome(scene.state()) == ("done", [])


def test_promote_by_hand(scene: Scene) -> None:
    scene.fill(50)
    scene.start_worker()
    scene.requests.rebuild(VIEW, scene.config("id"), {"promote": "manual"})
    job = threading.Thread(target=scene.job)
    job.start()
    wait_for(lambda: (now := scene.state()).job is not None and now.job.stage == "ready")
    assert scene.state().current == 1 and len(rows(scene, 2)) == 40
    scene.requests.wish(VIEW, "promote")
    job.join(30)
    assert scene.state().current == 2 and outcome(scene.state()) == ("done", [])


def test_abort_leaves_nothing_behind(scene: Scene) -> None:
    scene.fill(50)
    scene.start_worker()
    scene.requests.rebuild(VIEW, scene.config("id"), {"promote": "manual"})
    job = threading.Thread(target=scene.job)
    job.start()
    wait_for(lambda: (now := scene.state()).job is not None and now.job.stage == "ready")
    scene.requests.wish(VIEW, "abort")
    job.join(30)
    state = scene.state()
    assert outcome(state) == ("aborted", ["a user gave it up"])
    assert state.current == 1 and list(state.generations) == [1]
    assert rows(scene, 2) == {} and len(rows(scene)) == 40
    scene.send([("after", item(1))])
    wait_for(lambda: ("items", "after") in rows(scene))


def test_a_dry_run_says_what_would_change_and_changes_nothing(scene: Scene) -> None:
    scene.fill(50)
    scene.start_worker()
    wait_for(lambda: len(rows(scene)) == 40)
    drop = {"transforms": "drop", "transforms.drop.type": "ReplaceField$Value", "transforms.drop.exclude": "price"}
    scene.requests.rebuild(VIEW, scene.config(**drop), {"dry_run": True})
    assert scene.job() == 0
    state = scene.state()
    assert outcome(state) == ("done", []) and list(state.generations) == [1]
    plan = state.history[-1]["plan"]
    assert plan["changes"] == {"items": {"dropped": ["price"]}}
    assert plan["records"] == 50 + 17 + 10
    assert plan["config"]["added"] == ["transforms", "transforms.drop.exclude", "transforms.drop.type"]


def test_a_failed_preflight_shows_its_reasons(scene: Scene) -> None:
    scene.fill(20)
    scene.start_worker()
    scene.requests.rebuild(VIEW, scene.config(refuse="a view depends on it"), {})
    assert scene.job() == 0
    assert outcome(scene.state()) == ("failed", ["target: a view depends on it"])
    assert scene.state().current == 1 and list(scene.state().generations) == [1]


def test_rows_of_others_are_not_swapped_away(scene: Scene) -> None:
    """Whatever the new config says: the old generation would be dropped in the end."""
    scene.fill(20)
    scene.put_config(scene.config(others="they were there before"))
    scene.start_worker()
    wait_for(lambda: len(rows(scene)) == 16)
    scene.requests.rebuild(VIEW, scene.config(), {})
    assert scene.job() == 0
    result, [reason] = outcome(scene.state())
    assert result == "failed" and "would take away what is not the view's: they were there before" in reason
    assert scene.state().current == 1 and list(scene.state().generations) == [1]


def test_a_config_that_leads_elsewhere_is_said_so_and_nothing_more_is_looked_at(scene: Scene, tmp_path: Path) -> None:
    scene.fill(20)
    scene.start_worker()
    wait_for(lambda: len(rows(scene)) == 16)
    for dry_run in (True, False):
        scene.requests.rebuild(VIEW, scene.config("id", path=str(tmp_path / "other.db")), {"dry_run": dry_run})
        assert scene.job() == 0
        result, [reason] = outcome(scene.state())
        assert result == "failed" and "leads to another target" in reason
        plan = scene.state().history[-1]["plan"]
        assert plan["changes"] == {} and plan["eta_s"] is None


def test_a_generation_whose_tasks_fail_is_given_up(scene: Scene) -> None:
    scene.fill(20)
    scene.start_worker()
    scene.requests.rebuild(VIEW, scene.config("id", path="/nowhere/at/all.db"), {})
    assert scene.job() == 0
    result, reasons = outcome(scene.state())
    assert result == "failed" and "unable to open database file" in reasons[0]
    assert len(rows(scene)) == 16


def test_a_replay_that_outlasts_the_tombstones_each_time_is_given_up(scene: Scene) -> None:
    scene.fill(20)
    scene.log.alter_topic("items", {"delete.retention.ms": "0"})
    scene.start_worker().stop()  # nothing is ever replayed
    scene.requests.rebuild(VIEW, scene.config("id"), {})
    assert scene.job() == 0
    result, reasons = outcome(scene.state())
    assert result == "failed" and "delete.retention.ms" in reasons[0] and "3 times" in reasons[0]
    assert scene.state().current == 1 and list(scene.state().generations) == [1]


def test_an_emptied_target_is_filled_again(scene: Scene) -> None:
    scene.fill(50)
    scene.start_worker()
    scene.requests.rebuild(VIEW, scene.config("id"), {"keep": "1h"})
    assert scene.job() == 0
    assert scene.worker is not None
    scene.worker.stop()
    for left in Path(scene.path).parent.glob("view.db*"):
        left.unlink()
    worker = scene.start_worker()
    wait_for(lambda: worker.failure(VIEW, 2))
    scene.requests.rebuild(VIEW, None, {})
    assert scene.job() == 0
    state = scene.state()
    assert outcome(state) == ("done", []) and state.current == 3
    # generation 1, which was kept, has made itself at home meanwhile: readers saw that one
    assert state.history[-1]["instead_of"] == 1 and list(state.generations) == [1, 3]
    assert rows(scene) == model(50, "id")


def test_a_view_that_was_filled_through_another_log(scene: Scene) -> None:
    """The data directory was lost: the target knows generations that the log does not."""
    scene.fill(50)
    with closing(connect(scene.path)) as db:
        db.execute("INSERT INTO generation VALUES (7, 1, 1, 0)")
        db.execute("INSERT INTO view VALUES (7, 'items', 'old', '{}')")
    scene.start_worker()
    scene.requests.rebuild(VIEW, None, {})
    assert scene.job() == 0
    state = scene.state()
    assert outcome(state) == ("done", []) and state.current == 8 and list(state.generations) == [8]
    assert rows(scene) == model(50, "id", "name", "price")
    assert rows(scene, 7) == {}
