"""The commands around a view, against a running worker: what they print and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from headwater.worker.cli.main import main
from headwater.worker.cluster.standalone import Standalone
from tests.rest_worker import wait_for


def run(worker: Standalone, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    status = main([*arguments, "--url", f"http://{worker.worker_id}"])
    out, err = capsys.readouterr()
    return status, out, err


def test_a_view_from_first_to_last(
    worker: Standalone,
    client: httpx.Client,
    view: str,
    config: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def headwater(*arguments: str) -> tuple[int, str, str]:
        return run(worker, capsys, *arguments)

    (tmp_path / "new.json").write_text(json.dumps({"name": view, "config": {**config, "fields": "id,x"}}))
    status, out, _ = headwater("views")
    assert status == 0 and [view, "1", "live"] in [line.split() for line in out.splitlines()]
    status, out, _ = headwater("rollback", view)
    assert status == 1

    status, out, err = headwater("rebuild", view, "--config", str(tmp_path / "new.json"), "--dry-run")
    assert status == 0 and out.startswith("20 records in 1 topics") and "options changed: fields" in out
    assert "nothing was changed" in err
    assert "refuse" not in out

    status, out, err = headwater("rebuild", view, "--config", str(tmp_path / "new.json"))
    assert status == 0 and "readers see generation 2 since now" in out and "headwater rollback" in out
    assert "has begun" in err

    status, out, _ = headwater("verify", view)
    assert status == 0 and out.endswith(f"{view}: equal\n")
    status, out, _ = headwater("verify", view, "--json")
    assert status == 0 and json.loads(out)["result"]["found"] == {"items": 20}

    status, out, err = headwater("rollback", view, "--keep", "0")
    assert status == 0 and "readers see generation 1 again" in out
    assert "later config" in err and "write this config into your file" not in err
    status, out, _ = headwater("views", view)
    assert "rebuild (dry run)" in out and "rollback" in out

    status, out, err = headwater("rebuild", view, "--promote", "manual")
    assert status == 0 and "--promote-now" in err
    status, out, _ = headwater("rebuild", view, "--abort")
    assert status == 0 and "nothing of it is left" in out
    status, out, _ = headwater("rebuild", view, "--promote", "manual", "--json")
    assert status == 0 and json.loads(out)["outcome"] == "ready"
    status, out, _ = headwater("rebuild", view, "--promote-now", "--json")
    assert status == 0 and json.loads(out)["generation"] == 4


def test_what_cannot_be_done_has_a_status_and_a_reason(
    worker: Standalone, view: str, config: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(worker, capsys, "rebuild", "nothing")
    assert status == 1 and "there is no connector nothing" in err
    status, _, err = run(worker, capsys, "rebuild", view, "--continue")
    assert status == 1 and "no job is running" in err
    (tmp_path / "refused.json").write_text(json.dumps({"name": view, "config": {**config, "refuse": "it is Sunday"}}))
    status, out, _ = run(worker, capsys, "rebuild", view, "--config", str(tmp_path / "refused.json"))
    assert status == 1 and "target: it is Sunday" in out and "what readers see has not changed" in out
    status, out, _ = run(worker, capsys, "rebuild", view, "--config", str(tmp_path / "refused.json"), "--dry-run")
    assert status == 1 and "it is Sunday" in out
    (tmp_path / "other.json").write_text(json.dumps({"name": "other", "config": config}))
    status, _, err = run(worker, capsys, "rebuild", view, "--config", str(tmp_path / "other.json"))
    assert status == 1 and f"holds no connector named {view}, but other" in err
    assert run(worker, capsys, "rebuild", view, "--abort", "--continue")[0] == 2


def test_a_verification_that_fails(
    worker: Standalone, view: str, config: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    import sqlite3

    def spoil() -> int:
        with sqlite3.connect(config["path"], timeout=120) as db:
            return db.execute("DELETE FROM view WHERE key = 'k3'").rowcount

    wait_for(lambda: spoil() == 1)
    wait_for(lambda: worker.offsets(view))
    status, out, _ = run(worker, capsys, "verify", view)
    assert status == 1 and "1 rows differ from what the log says" in out and "items: row k3 is missing" in out
