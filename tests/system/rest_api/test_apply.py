"""`headwater connectors apply DIR` against a running worker: checked, shown, then done."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from headwater.worker.cluster.standalone import Standalone
from tests.rest_worker import wait_for

from .test_commands import run


def test_a_folder_is_applied(
    worker: Standalone, client: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "connectors"
    folder.mkdir()

    def write(name: str, **more: str) -> None:
        options = {"connector.class": "SqliteView", "topics": "items", "path": str(tmp_path / f"{name}.db"), **more}
        (folder / f"{name}.json").write_text(json.dumps({"name": name, "config": {"fields": "id", **options}}))

    def apply(*options: str) -> tuple[int, str, str]:
        return run(worker, capsys, "connectors", "apply", str(folder), *options)

    write("apply-one")
    write("apply-two", fields="id,x")
    status, out, err = apply("--dry-run")
    assert (status, out) == (0, "apply-one: created\napply-two: created\n") and "nothing was changed" in err
    assert not {"apply-one", "apply-two"} & set(client.get("/connectors").json())
    status, out, err = apply()
    assert (status, out) == (0, "apply-one: created\napply-two: created\n") and err.startswith("the difference:")
    status, out, err = apply()
    assert (status, out) == (0, "apply-one: unchanged\napply-two: unchanged\n") and "difference" not in err

    write("apply-one", **{"tasks.max": "2"})
    write("apply-two", feilds="id")
    status, out, err = apply()
    assert status == 1 and out == "" and "apply-two.json:1" in err and "did you mean fields?" in err
    assert "tasks.max" not in client.get("/connectors/apply-one/config").json(), "all are checked before the first"
    write("apply-two", fields="id,x", **{"connector.class": "Nothing"})
    status, _, err = apply()
    assert status == 1 and "apply-two.json:1" in err and "Nothing" in err

    (folder / "apply-two.json").unlink()
    status, out, err = apply()
    assert (status, out) == (0, "apply-one: changed\n  tasks.max: - -> 2\n")
    assert "the difference:\napply-one: changed\n  tasks.max: - -> 2" in err
    status, out, _ = apply("--prune", "--dry-run", "--json")
    steps = {step["name"]: step["action"] for step in json.loads(out)}
    assert steps["apply-one"] == "unchanged" and steps["apply-two"] == "deleted"
    others = [name for name in steps if name not in ("apply-one", "apply-two")]
    assert not others, "only this module's connectors would be deleted"
    status, out, _ = apply("--prune")
    assert (status, out) == (0, "apply-one: unchanged\napply-two: deleted\n")
    wait_for(lambda: client.get("/connectors").json() == ["apply-one"])

    status, out, _ = run(worker, capsys, "connectors", "offsets", "show", "apply-one")
    assert status == 0 and out.split()[:2] == ["partition", "offset"]
    assert run(worker, capsys, "connectors", "delete", "apply-one")[0] == 0
