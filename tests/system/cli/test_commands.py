"""Commands against a running worker."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable

import pytest

from tests.servers.worker import COMMAND

from .conftest import Scene

pytestmark = pytest.mark.system


@pytest.fixture
def call(scene: Scene) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A command that has to succeed."""
    scene.worker.start()

    def run(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        ended = scene.worker.command(*arguments)
        assert ended.returncode == status, ended.stdout + ended.stderr
        return ended

    return run


Call = Callable[..., subprocess.CompletedProcess[str]]


def wait_for(condition: Callable[[], object], timeout_s: float = 300) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)


def test_status_and_connectors(scene: Scene, call: Call) -> None:
    wait_for(lambda: len(scene.rows()) == 501)
    lines = call("status").stdout.splitlines()
    assert lines[0].startswith(f"worker {scene.worker.url}, version ")
    headers = ["connector", "task", "state", "worker", "progress", "lag", "memory", "restarts", "error"]
    assert lines[1].split() == headers
    assert [line.split()[:3] for line in lines[2:]] == [["counter", "0", "RUNNING"], ["view", "0", "RUNNING"]]
    assert json.loads(call("status", "--json").stdout)["connectors"]["view"]["status"]["type"] == "sink"
    listed = call("connectors", "list").stdout.splitlines()
    assert [line.split() for line in listed] == [
        ["name", "type", "state", "tasks", "class"],
        ["counter", "source", "RUNNING", "1", "RUNNING", "CountingSource"],
        ["view", "sink", "RUNNING", "1", "RUNNING", "TableSink"],
    ]
    shown = call("connectors", "show", "counter").stdout
    assert "count.topic      numbers\n" in shown
    assert json.loads(call("connectors", "show", "counter", "--json").stdout)["info"]["type"] == "source"
    names = [plugin["class"] for plugin in json.loads(call("plugins", "--json").stdout)]
    assert any("CountingSource" in name for name in names)
    assert "count.topic" in call("plugins", "CountingSource").stdout


def test_a_connectors_life(scene: Scene, call: Call) -> None:
    path = scene.folder / "second.yaml"
    path.write_text(f"""\
name: second
connector.class: CountingSource
count.file: {scene.upstream}
count.topic: others
""")
    assert call("connectors", "create", str(path), "--state", "paused").stdout == "second: created\n"
    assert "already exists" in call("connectors", "create", str(path), status=1).stderr
    wait_for(lambda: "PAUSED" in call("connectors", "list").stdout)
    assert call("connectors", "resume", "second").stdout == "second: resume requested\n"
    wait_for(lambda: "PAUSED" not in call("connectors", "list").stdout)
    assert call("connectors", "apply", str(path)).stdout == "second: unchanged\n"
    path.write_text(path.read_text() + "tasks.max: 2\n")
    dry = call("connectors", "apply", str(path), "--dry-run")
    assert dry.stdout == "second: changed\n  tasks.max: - -> 2\n"
    assert "nothing was changed" in dry.stderr
    assert call("connectors", "apply", str(path)).stdout == "second: changed\n  tasks.max: - -> 2\n"
    wait_for(lambda: len(scene.worker.get("/connectors/second/status")["tasks"]) == 2)
    call("connectors", "restart", "second", "--task", "1")
    call("connectors", "restart", "second", "--failed")
    call("connectors", "pause", "second")
    wait_for(lambda: "PAUSED" in call("status").stdout)
    missing = call("connectors", "delete", "second", "third", status=1).stderr
    assert missing == "error: there is no connector third; nothing was deleted\n"
    assert call("connectors", "delete", "second").stdout == "second: deleted\n"
    assert "second" not in call("connectors", "list").stdout
    assert "error: " in call("connectors", "show", "second", status=1).stderr
    path.write_text(path.read_text() + "nonsense: 1\n")
    refused = call("connectors", "create", str(path), status=1).stderr
    assert f"{path}:1: second: " in refused
    assert "nonsense" in refused


def test_offsets(scene: Scene, call: Call) -> None:
    wait_for(lambda: len(scene.rows()) == 501)
    assert "must be stopped first" in call("offsets", "reset", "counter", status=1).stderr
    call("connectors", "stop", "counter")
    wait_for(lambda: "counter  source  STOPPED" in call("connectors", "list").stdout)
    wait_for(lambda: not scene.worker.get("/connectors/counter/status")["tasks"])
    lines = call("offsets", "show", "counter").stdout.splitlines()
    assert lines[0].split() == ["partition", "offset"]
    before = json.loads(call("offsets", "show", "counter", "--json").stdout)
    assert len(before["offsets"]) == len(lines) - 1 == 1
    path = scene.folder / "offsets.json"
    path.write_text(json.dumps({"offsets": [before["offsets"][0] | {"offset": None}]}))
    call("offsets", "alter", "counter", str(path))
    assert json.loads(call("offsets", "show", "counter", "--json").stdout)["offsets"] == []
    path.write_text(json.dumps(before))
    call("offsets", "alter", "counter", str(path))
    assert json.loads(call("offsets", "show", "counter", "--json").stdout) == before
    call("offsets", "reset", "counter")
    assert json.loads(call("offsets", "show", "counter", "--json").stdout)["offsets"] == []
    path.write_text('{"offset": []}')
    assert "holds no offsets" in call("offsets", "alter", "counter", str(path), status=1).stderr


def test_status_on_a_terminal_is_kept_up_to_date(scene: Scene, call: Call) -> None:
    wait_for(lambda: len(scene.rows()) == 501)
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    env = {**scene.worker.env, "HEADWATER_URL": scene.worker.url, "TERM": "xterm"}
    watching = subprocess.Popen([*COMMAND, "status", "--watch"], stdout=theirs, env=env)
    os.close(theirs)
    seen = ""

    def twice() -> bool:
        nonlocal seen
        seen += os.read(ours, 65536).decode(errors="replace")
        return seen.count("counter") >= 3 and "rate" in seen and "/s" in seen and " MB" in seen

    try:
        wait_for(twice)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 0, seen
    finally:
        watching.kill()
        watching.wait()
        os.close(ours)


def test_a_failed_task_is_told_by_the_exit_status(scene: Scene, call: Call) -> None:
    path = scene.folder / "bad.yaml"
    path.write_text(f"""\
name: bad
connector.class: CountingSource
count.file: {scene.upstream}
count.topic: bad
restart.max.attempts: 0
transforms: {{bad: {{type: Misbehave, at: 3, how: error}}}}
""")
    call("connectors", "create", str(path))
    wait_for(lambda: scene.worker.command("status").returncode == 1)
    assert "3 is not wanted" in call("status", status=1).stdout
    assert (
        "Traceback" in call("connectors", "show", "bad").stdout or "Fatal" in call("connectors", "show", "bad").stdout
    )


def test_a_rebuild_with_a_broken_config_is_refused_with_its_line(scene: Scene, call: Call) -> None:
    wait_for(lambda: len(scene.rows()) == 501)
    new = scene.folder / "new.yaml"
    good = f"name: view\nconnector.class: TableSink\ntopics: numbers\ntable.file: {scene.view}\n"
    for wrong in ("table.fiel: x", "consumer.override.client.rack: ${env:NOT_SET_ANYWHERE}"):
        new.write_text(f"{good}{wrong}\n")
        said = call("rebuild", "view", "--config", str(new), status=1).stderr
        assert f"{new}:5" in said and wrong.partition(":")[0] in said, said
    assert json.loads(call("views", "view", "--json").stdout)["history"] == []
