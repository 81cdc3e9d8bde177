"""Tasks whose worker is no member of its cluster any more: they write nothing, wait, and end when they are told to."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headwater.worker.runtime.lease import Lease, now_ms
from headwater.worker.runtime.supervisor import Supervisor
from tests.plugins.counting.source import set_mood

from .scene import Scene, eventually, state_of, work

pytestmark = pytest.mark.system


@pytest.fixture
def lease() -> Iterator[Lease]:
    made = Lease()
    made.grant(now_ms() + 3_600_000)
    yield made
    made.close()


def at_rest(counted: Callable[[], Counter[int]]) -> Counter[int]:
    """What is there once nothing is added for a while; what was begun may still come."""

    def same() -> Counter[int] | None:
        before = counted()
        time.sleep(2)
        return before if counted() == before else None

    found: Counter[int] = eventually(same)
    return found


@pytest.mark.parametrize("kind", ["source", "sink"])
def test_a_task_writes_under_its_workers_lease_alone(
    tmp_path: Path, supervisor: Supervisor, any_log: dict[str, str], lease: Lease, kind: str
) -> None:
    scene = Scene(tmp_path, 10_000_000, any_log)
    set_mood(scene.upstream, "slow")
    source, sink = scene.spec(scene.source(count_batch=10, count_keys=1)), scene.spec(scene.sink())
    if kind == "sink":
        supervisor.run("other", work(source))
    spec = replace(source if kind == "source" else sink, lease=lease.path, incarnation=lease.number)
    counted = scene.numbers if kind == "source" else scene.rows
    supervisor.run("task", work(spec))
    eventually(lambda: len(counted()) > 100, 300)

    lease.end()
    lease.grant(now_ms() + 3_600_000)  # the worker is a member again, and this task not of that membership
    at_rest(counted)
    task = state_of(supervisor, spec.connector)
    assert (task["state"], task["restarts"], task["stalled"]) == ("RUNNING", 0, None)

    supervisor.stop("task")
    eventually(lambda: state_of(supervisor, spec.connector)["state"] == "GONE")
    held = counted()
    supervisor.run("task", work(replace(spec, incarnation=lease.number)))
    eventually(lambda: len(counted()) > len(held) + 100, 300)
    found = counted()
    assert set(found.values()) == {1} and len(found) == max(found) + 1
