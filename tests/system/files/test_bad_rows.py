"""What a bad row does to a connector, as its user sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.servers.worker import WorkerProcess
from tests.system.files.test_kills import config, values

pytestmark = pytest.mark.system


@pytest.mark.parametrize("tolerance", ["none", "all"])
def test_errors_tolerance(tmp_path: Path, tolerance: str) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": 1}\n{"id": \n{"id": 2}\n')
    options = {"name": "rows", "topic": "rows", "path": str(rows), "format": "jsonl", "restart.max.attempts": "0",
               "errors.tolerance": tolerance, "errors.log.enable": "true",
               "value.converter": "JsonConverter", "value.converter.schemas.enable": "false"}  # fmt: skip
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([config(**options)]))
    data = tmp_path / "data"
    worker = WorkerProcess([file], data)
    done = worker.command("run", str(file), "--data", str(data), "--listen", "none", "--until-caught-up")
    said = " ".join((done.stdout + done.stderr).split())
    assert f"{rows}, line 2: the row is not JSON" in said
    assert (done.returncode == 0) == (tolerance == "all"), said
    expected = ['{"id":1}', '{"id":2}'] if tolerance == "all" else ['{"id":1}']
    assert values(data, "rows") == expected
