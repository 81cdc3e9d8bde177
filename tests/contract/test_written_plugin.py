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

import pytest

PAGE = Path(__file__).parents[2] / "docs/plugins.md"
FILES = {"pyproject.toml", "notes_source.py", "notes_sink.py", "notes.yaml", "test_contract.py"}


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A folder as an installer leaves it: the modules, and their entry points beside them."""
    folder = tmp_path / "plugin"
    folder.mkdir()
    for name, text in re.findall(r"^`([\w.]+)`\n\n```\w*\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        (folder / name).write_text(text)
    assert {path.name for path in folder.iterdir()} == FILES
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    about = folder / f"headwater_notes-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
        for group, points in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(groups))
    return folder


def python(plugin: Path, *arguments: str, status: int = 0, **env: str) -> str:
    path = os.pathsep.join(filter(None, [str(plugin), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=plugin, env={**os.environ, "PYTHONPATH": path, **env}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def pytest_in(plugin: Path, tmp_path: Path, *options: str, failing: bool = False) -> str:
    """As its author would, in their own folder."""
    own = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--basetemp={tmp_path / 'theirs'}", *options)
    return python(plugin, "-m", "pytest", *own, status=int(failing))


def test_each_connector_has_fewer_than_60_lines(plugin: Path) -> None:
    for name in ("notes_source.py", "notes_sink.py"):
        assert len((plugin / name).read_text().splitlines()) < 60, name


def test_it_keeps_the_contract(plugin: Path, tmp_path: Path) -> None:
    said = pytest_in(plugin, tmp_path)
    assert re.search(r"^\d+ passed in ", said, re.MULTILINE), said


def test_it_runs(plugin: Path, tmp_path: Path) -> None:
    notes, copy = tmp_path / "notes.db", tmp_path / "copy.db"
    rows = [(number, f"note {number}") for number in range(1_200)]
    with closing(sqlite3.connect(notes)) as db, db:
        db.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        db.executemany("INSERT INTO note VALUES (?, ?)", rows)
    files = {"NOTES_FILE": str(notes), "COPY_FILE": str(copy)}
    command = ("-m", "headwater.worker.cli.main")
    assert "The SQLite file." in python(plugin, *command, "plugins", "NotesSource")
    python(plugin, *command, "lint", "notes.yaml", **files)
    run = ("run", "notes.yaml", "--until-caught-up", "--listen", "none", "--data", str(tmp_path / "data"))
    python(plugin, *command, *run, **files)
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT * FROM note ORDER BY id").fetchall() == rows


@pytest.mark.parametrize(
    ("file", "right", "wrong", "test"),
    [
        ("notes_source.py", '"id": self._last}', '"id": self._last - 1}', "test_what_was_not_acked_goes_on"),
        ("notes_source.py", "ORDER BY id", "ORDER BY -id", "test_all_rows_are_read"),
        ("notes_source.py", "self._db.close()", "pass", "test_nothing_is_left_open"),
        ("notes_source.py", "raise Retriable", "raise OSError", "test_the_other_side_goes_away"),
        ("notes_sink.py", ".rowcount != 1", ".rowcount > 1", "test_a_task_that_was_replaced"),
        ("notes_sink.py", "places[tp][1] or None", "None", "test_a_flush_whose_answer_got_lost"),
        ("notes_sink.py", "places[tp][0] != topic_id", "False", "test_another_topic_of_that_name"),
        ("notes_sink.py", "DELETE FROM note WHERE", "DELETE FROM note WHERE 0 AND", "test_rows_are_in_the_view"),
        ("notes_sink.py", "self._report(", "print(", "test_a_bad_record_is_reported"),
        ("notes_sink.py", "batches, self._batches = self._batches, []", "batches = self._batches", "test_rows_are_in"),
    ],
)
def test_the_contract_notices(plugin: Path, tmp_path: Path, file: str, right: str, wrong: str, test: str) -> None:
    """One mistake at a time in code that keeps the contract."""
    code = (plugin / file).read_text()
    assert right in code
    (plugin / file).write_text(code.replace(right, wrong))
    kind = "Source" if "source" in file else "Sink"
    said = pytest_in(plugin, tmp_path, "-k", f"{kind} and not process and not replay", failing=True)
    assert re.search(rf"^FAILED .*::{test}", said, re.MULTILINE), said
