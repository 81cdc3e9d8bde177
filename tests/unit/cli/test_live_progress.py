"""Progress without a terminal: plain lines, nothing twice."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.worker.cli.live_progress import LiveProgress, figures
from headwater.worker.observe.progress import Reading


def status(name: str, *tasks: dict[str, Any], state: str = "RUNNING") -> dict[str, Any]:
    return {"name": name, "connector": {"state": state}, "tasks": [{"state": "RUNNING", **task} for task in tasks]}


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = {"progress": {"stage": "snapshot", "done": 10, "total": 40, "unit": "rows"}}
    with LiveProgress() as progress:
        statuses = [
            status("a", snapshot, snapshot),
            status("b", {"state": "FAILED", "trace": "Traceback …\n  deep\nFatal: no such table"}),
            status("c", state="PAUSED"),
        ]
        progress.final(statuses)
        progress.final(statuses)
    assert capsys.readouterr().err.splitlines() == [
        "a: snapshot 20 of 80 rows",
        "b: FAILED: Fatal: no such table",
        "c: paused",
    ]


def test_figures() -> None:
    assert figures(Reading(1200, 5000, 400.0, 9.5, 0.24), "rows") == "1,200 of 5,000 rows, 400 rows/s, 10 s left"
    assert figures(Reading(7, None, 0.0, None, None), "records") == "7 records"
