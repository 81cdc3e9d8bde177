"""What a round of listing finds, and what it costs."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

import pytest

from headwater.connectors.files.source.listing import Patterns, Round
from headwater.connectors.files.source.task import LISTED_AT_ONCE
from headwater.worker.api import Retriable
from tests.unit.files.driver import Driver, write


def found(*patterns: str, exclude: tuple[str, ...] = ()) -> list[str]:
    return sorted(entry.path for entry in Patterns(patterns, exclude).files() if entry is not None)


def test_patterns(tmp_path: Path) -> None:
    for name in ("a.log", "b.txt", "x/a.log", "x/y/a.log", ".h/a.log", "x/.a.log", "[1].log"):
        write(tmp_path / name, "")
    (tmp_path / "folder.log").mkdir()
    os.symlink(tmp_path / "gone", tmp_path / "broken.log")
    os.symlink(tmp_path / "x", tmp_path / "link")
    at = str(tmp_path)
    assert found(f"{at}/*.log") == [f"{at}/[1].log", f"{at}/a.log"]
    assert found(f"{at}/**/a.log") == [f"{at}/a.log", f"{at}/x/a.log", f"{at}/x/y/a.log"]
    assert found(f"{at}/**") == [f"{at}/{name}" for name in ("[1].log", "a.log", "b.txt", "x/a.log", "x/y/a.log")]
    assert found(f"{at}/*/a.log") == [f"{at}/link/a.log", f"{at}/x/a.log"]
    assert found(f"{at}/[ab].*", f"{at}/a.log", exclude=("*.txt",)) == [f"{at}/a.log"]
    assert found(f"{at}/**/*.log", exclude=(f"{at}/x/*",)) == [f"{at}/[1].log", f"{at}/a.log"]
    assert found(f"{at}/none/*", f"{at}/b.txt", f"{at}/a.log/x") == [f"{at}/b.txt"]


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    """It could be told neither in a header nor in a position; a task that met one said so in no word."""
    write(tmp_path / os.fsdecode(b"\xff.log"), "1\n")
    write(tmp_path / "\u00e4\n\x01.log", "2\n")
    with pytest.raises(Retriable, match=r"\\xff\.log' is not UTF-8.* Rename it, or leave it out"):
        found(f"{tmp_path}/*.log")
    assert found(f"{tmp_path}/*.log", exclude=("[!\u00e4]*",)) == [f"{tmp_path}/\u00e4\n\x01.log"]


def test_a_round_looks_at_so_many_entries_at_a_time(tmp_path: Path) -> None:
    for n in range(25):
        write(tmp_path / f"{n}{'.log' if n % 2 else '.txt'}", "")
    listing = Round(Patterns([str(tmp_path / "*.log")]))
    steps = [listing.step(10) for _ in range(3)]
    assert steps == [False, False, True] and len(listing.found) == 12


def test_ten_thousand_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A poll's cost goes by the files that lie there, not by what was read; no `read` looks at more than its share."""
    driver = Driver(path=tmp_path / "*.log", format="lines", complete_after_ms=0).start()
    said, there = [], 0
    for total in (1_000, 10_000):
        for n in range(there, total):
            (tmp_path / f"{n:05}.log").write_text(f"{n}\n")
        there = total
        driver.until(lambda total=total: len(driver.log) == total, timeout_s=300).drain()
        polls = [cost_of_a_poll(driver) for _ in range(3)]
        driver.die().start().drain()
        again = cost_of_a_poll(driver)
        for _, reads in (*polls, again):
            assert total / LISTED_AT_ONCE <= reads <= total / LISTED_AT_ONCE + 5
        each = ", ".join(f"{cost:.1f}" for cost, _ in polls)
        said.append(f"{total:,} files, {LISTED_AT_ONCE:,} a step: {each} ms of CPU a poll; {again[0]:.1f} ms after a "
                    f"restart; {again[0] / total * 1000:.1f} us a file")  # fmt: skip
    driver.die()
    assert sorted(map(int, driver.lines)) == list(range(10_000))
    with capsys.disabled():
        print("\n" + "\n".join(said))


def cost_of_a_poll(driver: Driver, polls: int = 5) -> tuple[float, float]:
    """Milliseconds of CPU, and calls of `read`."""
    first, asked, before = driver.source._rounds, itertools.count(), time.thread_time()
    driver.until(lambda: next(asked) >= 0 and driver.source._rounds >= first + polls)
    return (time.thread_time() - before) * 1000 / polls, (next(asked) - 1) / polls
