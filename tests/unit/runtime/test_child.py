"""Child processes whose code does what no plugin should: their supervisor sees their end and keeps its memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from headwater.worker.runtime.child import Child
from headwater.worker.runtime.plugin_process import run_plugin_call

PATIENCE_S = 240
FORKS = """
import os, sys, time
sys.stdin.readline()
forked = os.fork()
if not forked:
    time.sleep(600)
    os._exit(0)
print('{"event": "forked", "pid": %d}' % forked, flush=True)
os.kill(os.getpid(), 9)
"""
DAEMON = """
import subprocess, sys
sys.stdin.readline()
left = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
print('{"event": "left", "pid": %d}' % left.pid, flush=True)
"""
ENDLESS_LINE = """
import os, sys
sys.stdin.readline()
for _ in range(64):
    os.write(2, b"y" * 131072)
"""
LINGERS = """
import os, threading, time
from headwater.worker.api import Options, SourceConnector

class Lingers(SourceConnector):
    options = Options()

    def validate(self, values):
        threading.Thread(target=time.sleep, args=(600,)).start()
        if os.fork() == 0:
            time.sleep(600)
        return []
"""


class Watched:
    """Runs a module that holds `text`."""

    def __init__(self, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "told_by_test.py").write_text(text)
        monkeypatch.setenv("PYTHONPATH", str(folder))
        self.events: list[dict[str, object]] = []
        self.ended: list[tuple[int, str]] = []
        self.child = Child("told_by_test", {}, self.events.append, lambda *how: self.ended.append(how))
        assert self.child.wait(PATIENCE_S), "its end was not noticed"


def is_alive(pid: object) -> bool:
    """A zombie that nobody has waited for yet is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_process_that_dies_takes_along_what_it_forked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(FORKS, tmp_path, monkeypatch)
    assert watched.ended == [(-9, "")]
    end = time.monotonic() + PATIENCE_S
    while is_alive(watched.events[0]["pid"]):  # a killed process closes its files a moment before it is gone
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_daemon_that_is_left_behind_hides_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(DAEMON, tmp_path, monkeypatch)
    os.kill(int(str(watched.events[0]["pid"])), 9)
    assert watched.ended == [(0, "")]


def test_a_line_without_end_is_not_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(ENDLESS_LINE, tmp_path, monkeypatch)
    ((status, tail),) = watched.ended
    assert status == 0 and tail.startswith("yyy")
    assert len(tail) < 1024 * 1024


def test_an_answer_counts_though_its_process_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lingers.py").write_text(LINGERS)
    described = tmp_path / "lingers-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: lingers\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[headwater.sources]\nLingers = lingers:Lingers\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    answer = run_plugin_call("validate", {"name": "x", "connector.class": "Lingers"}, timeout_s=PATIENCE_S)
    assert answer["kind"] == "source" and answer["problems"] == []
