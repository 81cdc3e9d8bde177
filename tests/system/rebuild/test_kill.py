"""The job's process is killed -9 at every boundary: the old view serves, the end is right or a clean retreat."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.rebuild.scene import VIEW, Scene, outcome, wait_for

KILLED = -signal.SIGKILL


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path, partitions=1)
    scene.fill(100)
    scene.start_worker()
    wait_for(lambda: len(seen(scene)) == 80)
    yield scene
    scene.close()


def seen(scene: Scene) -> dict[tuple[str, str], dict[str, object]]:
    from sqlite_view import rows_of

    found: dict[tuple[str, str], dict[str, object]] = rows_of(scene.path)
    return found


def finish_in_pieces(scene: Scene, when: str, writes: tuple[int, ...] = (1, 1, 1, 2, 3, 4)) -> int:
    """Run the job until nothing is left to do, each process killed at one of its writes; how often it was killed.

    A verification makes several writes (barrier, lifted, result): a process has to survive them all to get on.
    """
    kills = 0
    while (status := scene.job("write", str(writes[kills % len(writes)]), when)) == KILLED:
        kills += 1
        assert len(seen(scene)) == 80, f"readers see {len(seen(scene))} rows after kill {kills}"
        assert kills < 30
    assert status == 0
    return kills


def check_swapped(scene: Scene) -> None:
    state = scene.state()
    assert outcome(state) == ("done", []), state.history
    assert state.job is None and list(state.generations) == [2] and state.current == 2
    assert all(set(row) == {"id"} for row in seen(scene).values()) and len(seen(scene)) == 80
    from sqlite_view import rows_of

    assert rows_of(scene.path, 1) == {}
    check_follows(scene)


def check_follows(scene: Scene) -> None:
    """No barrier was left standing: what comes now gets through."""
    scene.send([("afterwards", {"id": 1})])
    wait_for(lambda: ("items", "afterwards") in seen(scene))


@pytest.mark.parametrize(("when", "writes"), [("after", (1, 1, 1, 1, 1, 2, 3, 4)), ("before", (2, 2, 3, 4, 5))])
def test_killed_at_every_write(scene: Scene, when: str, writes: tuple[int, ...]) -> None:
    scene.requests.rebuild(VIEW, scene.config("id"), {"keep": "0"})
    assert finish_in_pieces(scene, when, writes) >= 5
    check_swapped(scene)


@pytest.mark.parametrize("method", ["create", "finish_load", "pin", "promote", "drop"])
def test_killed_beside_what_changes_the_target(scene: Scene, method: str) -> None:
    scene.requests.rebuild(VIEW, scene.config("id"), {"keep": "0"})
    assert scene.job("call", method, "after") == KILLED
    assert len(seen(scene)) == 80
    assert scene.job() == 0
    check_swapped(scene)


def test_a_barrier_that_was_left_does_not_hold_the_live_view_back(scene: Scene) -> None:
    scene.requests.rebuild(VIEW, scene.config("id"), {"keep": "0"})
    assert scene.job("write", "5", "after") == KILLED  # the barrier stands
    time.sleep(2)  # until the tasks have seen it
    scene.send([("afterwards", {"id": 1})])
    assert scene.job() == 0
    (entry,) = scene.state().history
    assert entry["outcome"] == "done"
    assert entry["result"]["keys"] == []  # the live generation came to the new barrier as well, and was compared


def test_an_abort_is_finished_after_kills(scene: Scene) -> None:
    scene.requests.rebuild(VIEW, scene.config("id"), {"keep": "0"})
    assert scene.job("write", "5", "after") == KILLED  # the barrier stands
    scene.requests.wish(VIEW, "abort")
    finish_in_pieces(scene, "after")
    state = scene.state()
    assert outcome(state)[0] == "aborted" and list(state.generations) == [1] and state.current == 1
    assert all(set(row) == {"id", "name", "price"} for row in seen(scene).values())
    check_follows(scene)


def test_an_abort_after_the_swap_was_made_comes_too_late(scene: Scene) -> None:
    scene.requests.rebuild(VIEW, scene.config("id"), {"keep": "0"})
    assert scene.job("call", "promote", "after") == KILLED
    scene.requests.wish(VIEW, "abort")
    assert scene.job() == 0
    check_swapped(scene)


def test_a_killed_rollback_is_finished(scene: Scene) -> None:
    scene.requests.rebuild(VIEW, scene.config("id"), {"keep": "1h"})
    assert scene.job() == 0
    scene.requests.rollback(VIEW, {})
    assert finish_in_pieces(scene, "after") >= 1
    state = scene.state()
    assert state.current == 1 and outcome(state) == ("done", [])
    assert state.generations[2].phase == "kept"
    check_follows(scene)
