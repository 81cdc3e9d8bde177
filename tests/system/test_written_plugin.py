"""The plugin that `docs/plugins.md` writes: its very code, installed, run, and held to the contract."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

PAGE = Path(__file__).parents[2] / "docs/plugins.md"
FILES = {"pyproject.toml", "notes_source.py", "notes_sink.py", "notes.yaml", "test_contract.py"}


class Mistake(NamedTuple):
    """In code that keeps the contract; `noticed`: the test that finds it."""

    kind: str
    right: str
    wrong: str
    noticed: str


MISTAKES = [
    Mistake("source", '"id": self._last}', '"id": self._last - 1}', "what_was_not_acked_goes_on_from_what_is_durable"),
    Mistake("source", "ORDER BY id", "ORDER BY -id", "all_rows_are_read"),
    Mistake("source", "self._db.close()", "pass", "nothing_is_left_open"),
    Mistake("source", "raise Retriable", "raise OSError", "the_other_side_goes_away_and_comes_back"),
    Mistake("sink", ".rowcount != 1", ".rowcount > 1", "a_task_that_was_replaced_changes_nothing"),
    Mistake("sink", "places[tp][1] or None", "None", "a_flush_whose_answer_got_lost"),
    Mistake("sink", "places[tp][0] != topic_id", "False", "another_topic_of_that_name"),
    Mistake("sink", "DELETE FROM note WHERE", "DELETE FROM note WHERE 0 AND", "rows_are_in_the_view_once_flushed"),
    Mistake("sink", "DELETE FROM note WHERE", "DELETE FROM note WHERE 0 AND", "tombstones_alone"),
    Mistake("sink", "self._report(", "print(", "a_bad_record_is_reported_and_passed_by"),
    Mistake(
        "sink",
        "batches, self._batches = self._batches, []",
        "batches = self._batches",
        "rows_are_in_the_view_once_flushed",
    ),
]


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A folder with the files of the page."""
    folder = tmp_path / "plugin"
    folder.mkdir()
    for name, text in re.findall(r"^`([\w.]+)`\n\n```\w*\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        (folder / name).write_text(text)
    assert {path.name for path in folder.iterdir()} == FILES
    return folder


def announce(folder: Path, entry_points: str) -> None:
    """What an installer leaves beside the modules of a package, so that they are found."""
    about = folder / "headwater_notes-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: headwater-notes\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entry_points)


def python(found_in: Path, cwd: Path, *arguments: str, status: int = 0, **env: str) -> str:
    """Its output. `found_in`: a folder of installed packages."""
    path = os.pathsep.join(filter(None, [str(found_in), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd, env={**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": "", **env},
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def pytest_in(plugin: Path, tmp_path: Path, *options: str, status: int = 0) -> str:
    """As its author would, in their own folder."""
    own = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--basetemp={tmp_path / 'theirs'}", *options)
    return python(plugin, plugin, "-m", "pytest", *own, status=status)


def test_each_connector_has_fewer_than_60_lines(plugin: Path) -> None:
    for name in ("notes_source.py", "notes_sink.py"):
        assert len((plugin / name).read_text().splitlines()) < 60, name


def test_it_keeps_the_contract(plugin: Path, tmp_path: Path) -> None:
    points = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = [f"[{group}]\n{name} = {target}\n" for group, of in points.items() for name, target in of.items()]
    announce(plugin, "".join(lines))
    said = pytest_in(plugin, tmp_path)
    assert re.search(r"^\d+ passed in ", said, re.MULTILINE), said


def test_it_is_installed_and_runs(plugin: Path, tmp_path: Path) -> None:
    site, notes, copy = tmp_path / "site", tmp_path / "notes.db", tmp_path / "copy.db"
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation")
    python(plugin, tmp_path, *pip, "--disable-pip-version-check", "--target", str(site), str(plugin))
    rows = [(number, f"note {number}") for number in range(1_200)]
    with closing(sqlite3.connect(notes)) as db, db:
        db.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        db.executemany("INSERT INTO note VALUES (?, ?)", rows)
    config, files = str(plugin / "notes.yaml"), {"NOTES_FILE": str(notes), "COPY_FILE": str(copy)}
    command = ("-m", "headwater.worker.cli.main")
    assert "The SQLite file." in python(site, tmp_path, *command, "plugins", "NotesSource")
    python(site, tmp_path, *command, "lint", config, **files)
    run = ("run", config, "--until-caught-up", "--listen", "none", "--data", str(tmp_path / "data"))
    python(site, tmp_path, *command, *run, **files)
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT * FROM note ORDER BY id").fetchall() == rows


def test_the_contract_notices_mistakes(plugin: Path, tmp_path: Path) -> None:
    """Each made in a connector of its own, of which one test is run."""
    points, contracts = [], ["from test_contract import Copy, Notes, SinkContract, SourceContract"]
    contracts += ["from headwater.worker.testing import leftovers", "leftovers.PATIENCE_S = 1.0"]
    for number, mistake in enumerate(MISTAKES):
        code = (plugin / f"notes_{mistake.kind}.py").read_text()
        assert mistake.right in code
        (plugin / f"wrong{number}.py").write_text(code.replace(mistake.right, mistake.wrong))
        kind = mistake.kind.capitalize()
        points.append(f"[headwater.{mistake.kind}s]\nWrong{number} = wrong{number}:Notes{kind}Connector\n")
        driver = "Notes" if mistake.kind == "source" else "Copy"
        contracts += [
            f'class Driver{number}({driver}): connector_class = "Wrong{number}"',
            f"class TestWrong{number}({kind}Contract): driver_type = Driver{number}",
        ]
    announce(plugin, "".join(points))
    (plugin / "test_wrong.py").write_text("\n".join(contracts))
    chosen = [f"test_wrong.py::TestWrong{number}::test_{mistake.noticed}" for number, mistake in enumerate(MISTAKES)]
    said = pytest_in(plugin, tmp_path, *chosen, status=1)
    assert {*re.findall(r"^FAILED (\S+)", said, re.MULTILINE)} == {*chosen}, said
    assert re.search(rf"^{len(MISTAKES)} failed in ", said, re.MULTILINE), said
