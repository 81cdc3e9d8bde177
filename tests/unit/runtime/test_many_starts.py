"""Many processes that are due at once: whoever asks for the state of things is answered between two starts."""

from __future__ import annotations

import time

from headwater.worker.runtime.supervised import Work
from headwater.worker.runtime.supervisor import Supervisor

MANY = 60
WAITS = "json.tool"
"""Reads its input to the end, which does not come: cheap, and there until it is killed."""


def test_the_state_of_things_is_told_while_processes_are_started() -> None:
    supervisor = Supervisor(grace_s=0.1)
    for number in range(MANY):
        supervisor.run(number, Work(WAITS, {}, {"connector": "many", "generation": 1, "task": number}))
    supervisor.start()
    seen: set[int] = set()
    deadline = time.monotonic() + 120
    while MANY not in seen and time.monotonic() < deadline:
        seen.add(sum(process["pid"] is not None for process in supervisor.snapshot()))
    supervisor.stop_all()
    assert MANY in seen
    assert seen - {0, MANY}, "it was answered when all were started, not before"
    assert supervisor.snapshot() == []
