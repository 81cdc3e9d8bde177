from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import plugins
from tests.plugins.counting.source import make_upstream
from tests.servers.worker import WorkerProcess

plugins.install()


class Scene:
    """A source that counts, a view of what it counted, and a worker that is not started yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.upstream = str(folder / "upstream.db")
        self.view = str(folder / "view.db")
        make_upstream(self.upstream, 500)
        self.source_file, self.view_file = folder / "source.yaml", folder / "view.json"
        self.write_source()
        self.view_file.write_text(
            '{"name": "view", "config": {"connector.class": "TableSink", "topics": "numbers", '
            f'"table.file": "{self.view}"}}}}\n'
        )
        self.worker = WorkerProcess([self.source_file, self.view_file], folder / "data")

    def write_source(self, more: str = "") -> None:
        text = f"name: counter\nconnector.class: CountingSource\ncount:\n  file: {self.upstream}\n  topic: numbers\n"
        self.source_file.write_text(text + more)

    def rows(self) -> list[int]:
        """The numbers in the view."""
        try:
            with sqlite3.connect(self.view, timeout=120) as db:
                return sorted(n for (n,) in db.execute("SELECT n FROM view_g1"))
        except sqlite3.OperationalError:
            return []


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.worker.stop()
