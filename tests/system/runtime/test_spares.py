"""Processes that are started ahead: taken by the next task, made anew, gone with their worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from headwater.worker.runtime.spares import Spares
from headwater.worker.runtime.supervisor import Supervisor
from tests.servers.process import children_of, kill_one, name_of

from .scene import MODULE, Scene, eventually, once_each, state_of, work

pytestmark = pytest.mark.system
WORKER = f"""
import threading
from headwater.worker.runtime.spares import Spares
from headwater.worker.runtime.supervisor import Supervisor
Supervisor(spares=Spares("{MODULE}", 2, 0)).start()
threading.Event().wait()
"""


def spares_of(pid: int, old: Collection[int] = ()) -> list[int]:
    return [child for child in children_of(pid) if name_of(child) == "headwater-spare" and child not in old]


def two_of(pid: int, old: Collection[int] = ()) -> list[int]:
    """Waits until there are two but the old ones."""
    found: list[int] = eventually(lambda: (spares := spares_of(pid, old)) and len(spares) == 2 and spares)
    return found


def test_tasks_start_in_processes_that_are_there(tmp_path: Path) -> None:
    """Those that did not know yet what a task imports make room for others."""
    scene = Scene(tmp_path, 300, {"group.id": "spares", "task.spare.processes": "2"})
    supervisor = Supervisor(grace_s=10, spares=Spares(MODULE, 2, calm_s=0.5))
    supervisor.start()
    try:
        first = two_of(os.getpid())
        supervisor.run("source", work(scene.spec(scene.source())))
        eventually(lambda: len(scene.messages()) == 301)
        assert state_of(supervisor, scene.counter)["pid"] in first
        ready = two_of(os.getpid(), first)
        kill_one(ready[0])
        supervisor.run("sink", work(scene.spec(scene.sink())))
        eventually(lambda: sum(scene.rows().values()) >= 301)
        assert scene.rows() == once_each(300)
        pid = state_of(supervisor, scene.view)["pid"]
        assert pid == ready[1] and name_of(pid) != "headwater-spare"
    finally:
        supervisor.stop_all()
    assert not spares_of(os.getpid())


def test_they_go_with_their_worker() -> None:
    worker = subprocess.Popen([sys.executable, "-c", WORKER])
    try:
        found = two_of(worker.pid)
    finally:
        worker.kill()
        worker.wait()
    eventually(lambda: not any(name_of(pid) for pid in found))
