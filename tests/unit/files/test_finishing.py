"""A file is done with once the log has all of it, and whatever is cut short is done again."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from headwater.worker.api import Fatal
from tests.unit.files.driver import Driver, write


def options(folder: Path, action: str) -> dict[str, str]:
    more = {"move_to": str(folder / "done")} if action == "move" else {}
    return {"path": str(folder / "in/*"), "format": "lines", "on_done": action, "batch_size": "3", **more}


def moved(folder: Path) -> list[str]:
    return sorted(p.name for p in (folder / "done").glob("*")) if (folder / "done").exists() else []


@pytest.mark.parametrize("action", ["move", "delete"])
def test_nothing_is_touched_before_the_log_has_it(tmp_path: Path, action: str) -> None:
    path = write(tmp_path / "in/a", "1\n2\n3\n4\n5")
    driver = Driver(**options(tmp_path, action)).start()
    while len(driver.log) < 5:
        driver.read(ack=False)
    for _ in range(10):
        driver.read(ack=False)
        assert path.exists()
    driver.ack()
    driver.until(lambda: not path.exists())
    driver.until(lambda: not driver.stored)
    assert driver.lines == ["1", "2", "3", "4", "5"]
    assert moved(tmp_path) == (["a"] if action == "move" else [])


@pytest.mark.parametrize("action", ["move", "delete"])
def test_a_file_that_is_written_to_stays(tmp_path: Path, action: str) -> None:
    path = write(tmp_path / "in/a", "1\n", age_s=0)
    driver = Driver(**options(tmp_path, action)).start().drain()
    assert path.exists() and driver.lines == ["1"]
    write(path, "2\n", append=True)
    driver.until(lambda: not path.exists())
    assert driver.lines == ["1", "2"]


@pytest.mark.parametrize("action", ["move", "delete"])
def test_a_line_added_after_the_last_read_is_read(tmp_path: Path, action: str) -> None:
    path = write(tmp_path / "in/a", "1\n")
    driver = Driver(**options(tmp_path, action)).start()
    while not driver.log:
        driver.read(ack=False)
    write(path, "2\n", append=True)
    driver.ack()
    driver.until(lambda: not path.exists())
    assert driver.lines == ["1", "2"]


@pytest.mark.parametrize("action", ["move", "delete", "keep"])
@pytest.mark.parametrize("seed", range(8))
def test_killed_at_any_moment(tmp_path: Path, action: str, seed: int) -> None:
    choose = random.Random(seed)
    names = [f"f{n}" for n in range(6)]
    expected = {f"{name} {n}" for name in names for n in range(8)}
    for name in names:
        write(tmp_path / "in" / name, "".join(f"{name} {n}\n" for n in range(8)))
    driver = Driver(**options(tmp_path, action))
    for _ in range(25):
        driver.start()
        for _ in range(choose.randrange(12)):
            driver.read(ack=choose.random() < 0.5)
        driver.read(commit=choose.random() < 0.5, ack=False)
        driver.die()
    driver.start().drain()
    assert len(driver.lines) == len(expected) and set(driver.lines) == expected
    left = sorted(p.name for p in (tmp_path / "in").iterdir())
    assert (left, moved(tmp_path)) == {"move": ([], names), "delete": ([], []), "keep": (names, [])}[action]
    assert bool(driver.stored) == (action == "keep")


def test_a_move_that_was_cut_short_is_ended(tmp_path: Path) -> None:
    """Between the new name and the end of the old one."""
    path = write(tmp_path / "in/a", "1\n")
    driver = Driver(**options(tmp_path, "move")).start()
    while not driver.log:
        driver.read(ack=False)
    (tmp_path / "done").mkdir()
    os.link(path, tmp_path / "done/a")
    driver.die().start().until(lambda: not driver.stored)
    assert not path.exists() and moved(tmp_path) == ["a"] and driver.lines == ["1"]


def test_another_file_of_that_name_is_not_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "done/a", "old\n")
    path = write(tmp_path / "in/a", "1\n")
    inode = path.stat().st_ino
    driver = Driver(**options(tmp_path, "move")).start()
    driver.until(lambda: driver.log and not driver.stored)
    assert (tmp_path / "done/a").read_text() == "old\n"
    assert (tmp_path / f"done/a.{inode}").read_text() == "1\n"


def test_folders_below_the_pattern_are_kept(tmp_path: Path) -> None:
    write(tmp_path / "in/x/y/a", "1\n")
    driver = Driver(**{**options(tmp_path, "move"), "path": str(tmp_path / "in/**/*")}).start()
    driver.until(lambda: driver.log and not driver.stored)
    assert (tmp_path / "done/x/y/a").read_text() == "1\n"


def test_a_target_that_is_no_folder(tmp_path: Path) -> None:
    write(tmp_path / "in/a", "1\n")
    write(tmp_path / "done", "a file\n")
    driver = Driver(**options(tmp_path, "move")).start()
    with pytest.raises(Fatal, match=r"cannot be moved: .* Nothing is lost"):
        driver.drain()


def test_move_to_where_files_are_found(tmp_path: Path) -> None:
    wrong = {**options(tmp_path, "move"), "path": str(tmp_path / "**/*")}
    assert [problem.option for problem in Driver(**wrong).problems] == ["move.to"]
    assert not Driver(**options(tmp_path, "move")).problems


@pytest.mark.parametrize("action", ["move", "delete"])
def test_a_symbolic_link_is_read_once_and_stays(tmp_path: Path, action: str) -> None:
    path = write(tmp_path / "elsewhere/a", "1\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a").symlink_to(path)
    driver = Driver(**options(tmp_path, action)).start().drain().die().start().drain()
    assert driver.lines == ["1"] and driver.position(tmp_path / "in/a")["done"]
    assert path.exists() and (tmp_path / "in/a").is_symlink() and not moved(tmp_path)


@pytest.mark.parametrize("action", ["move", "delete"])
@pytest.mark.parametrize("killed", [False, True])
def test_a_file_with_two_names_is_read_once(tmp_path: Path, action: str, killed: bool) -> None:
    path = write(tmp_path / "in/a", "1\n")
    os.link(path, tmp_path / "in/b")
    driver = Driver(**options(tmp_path, action)).start()
    while not driver.log:
        driver.read(ack=False)
    if killed:  # before the log's answer has come
        driver.die().start()
    driver.ack()
    driver.drain()
    assert driver.lines == ["1"] and not driver.stored
    assert not list((tmp_path / "in").iterdir()) and moved(tmp_path) == (["a", "b"] if action == "move" else [])
