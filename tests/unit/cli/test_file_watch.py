"""Noticing edits of config files."""

from __future__ import annotations

import os
from pathlib import Path

from headwater.worker.cli.file_watch import FileWatch


def test_a_file_is_edited_replaced_touched_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: a\n")
    watch = FileWatch([path])
    assert not watch.changed()
    path.write_text("name: b\n")  # the same size
    assert watch.changed()
    assert not watch.changed()
    os.utime(path)
    assert not watch.changed()
    (tmp_path / "new").write_text("name: c\n")
    os.replace(tmp_path / "new", path)
    assert watch.changed()
    path.unlink()
    assert watch.changed()
    assert not watch.changed()


def test_a_directory_gains_and_loses_files(tmp_path: Path) -> None:
    watch = FileWatch([tmp_path])
    (tmp_path / "notes.txt").write_text("x")
    assert not watch.changed()
    (tmp_path / "a.json").write_text("{}")
    assert watch.changed()
    (tmp_path / "a.json").unlink()
    assert watch.changed()
