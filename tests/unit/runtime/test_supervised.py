"""What the supervisor makes of what it knows of one process."""

from __future__ import annotations

import os
import time
from typing import Any, cast

from headwater.worker.config.policies import RestartPolicy
from headwater.worker.observe.health import Stall
from headwater.worker.observe.process_use import ProcessUse, process_use
from headwater.worker.runtime.child import Child
from headwater.worker.runtime.memory_cap import CALM_S, excess, size
from headwater.worker.runtime.supervised import Supervised, Work


def item(**more: Any) -> Supervised:
    work = Work("module", {}, {"connector": "shop", "generation": 1, "task": 0})
    made = Supervised("key", work, policy=RestartPolicy(100, 200, 2))
    made.child = cast(Child, object())
    made.started_at = time.monotonic()
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_who_uses_more_than_allowed_is_told_so() -> None:
    use = ProcessUse(1_500_000_000, 0.0)
    assert excess(use, 0) == "" and excess(None, 10) == "" and excess(use, 1_500_000_000) == ""
    said = excess(use, 1_000_000_000)
    assert "1.5 GB" in said and "1.0 GB" in said and "task.memory.max.bytes" in said
    assert [size(n) for n in (12, 31_400, 31_400_000)] == ["12 B", "31.4 kB", "31.4 MB"]


def test_repeated_hits_of_the_memory_limit_end_in_failed() -> None:
    """Progress in between does not excuse them, for a leak that is quick makes progress too."""
    task = item(excess="it used too much", metrics={"records_out": 1000})
    delays = [task.failed(0, ""), task.failed(0, ""), task.failed(0, "")]
    assert [delay is None for delay in delays] == [False, False, True]
    assert task.state == "FAILED" and task.reason == task.last_failure == "it used too much"


def test_a_slow_leak_is_restarted_for_ever() -> None:
    task = item(excess="it used too much", started_at=time.monotonic() - CALM_S - 1)
    assert all(task.failed(0, "") is not None for _ in range(10))
    assert task.state == "RESTARTING"


def test_other_failures_are_forgiven_after_progress() -> None:
    task = item(metrics={"records_out": 1})
    assert all(task.failed(1, "") is not None for _ in range(10))


def test_a_process_that_never_comes_to_count_is_stalled() -> None:
    stall = Stall(60)
    task = item(started_at=time.monotonic() - 30)
    assert task.stalled(stall) is None
    task.started_at -= 60
    assert "has not returned" in (task.stalled(stall) or "")
    task.state = "PAUSED"
    assert task.stalled(stall) is None


def test_a_source_far_behind_its_server_has_work() -> None:
    now = time.time_ns() // 1_000_000
    task = item(state="RUNNING", metrics={"last_tick_ms": now, "last_activity_ms": now - 100_000})
    assert task.stalled(Stall(60)) is None
    task.take({"event": "progress", "stage": "stream", "lag": {"slot_bytes": 9.0, "slot_seconds": 30.0}})
    assert task.stalled(Stall(60)) is None
    task.take({"event": "progress", "stage": "stream", "lag": {"slot_bytes": 9.0, "slot_seconds": 90.0}})
    assert "although there is work" in (task.stalled(Stall(60)) or "")


def test_use_of_a_process() -> None:
    use = process_use(os.getpid())
    assert use is not None and use.memory_bytes > 1_000_000 and use.cpu_s > 0
    assert process_use(2**22 + 1) is None
