"""Where a source's transactions end, on both logs: nothing is lost or doubled, and nothing seen in part."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from headwater.worker.runtime.supervisor import Supervisor
from tests.plugins.counting.source import make_upstream
from tests.servers.process import kill_group

from .scene import Scene, eventually, once_each, state_of, work

pytestmark = pytest.mark.system

WHOLE = 35
CONNECTOR = {"transaction_boundary": "connector", "count_whole": WHOLE, "count_keys": 1, "count_batch": 6}


def kill_at_random(supervisor: Supervisor, scene: Scene, rounds: int) -> int:
    """Returns how far the upstream counts at the end, as many numbers as are whole transactions."""
    dice = random.Random(7)
    limit = -1
    for _ in range(rounds):
        limit += 20 * WHOLE
        make_upstream(scene.upstream, limit)
        time.sleep(dice.uniform(0.2, 0.9))
        for pid in [s["pid"] for s in supervisor.snapshot() if s["pid"]]:
            kill_group(pid)
    return limit


def gone(supervisor: Supervisor, connector: str) -> bool:
    return bool(state_of(supervisor, connector)["state"] == "GONE")


def test_transactions_of_the_connector_are_whole(
    tmp_path: Path, supervisor: Supervisor, any_log: dict[str, str]
) -> None:
    scene = Scene(tmp_path, -1, any_log)
    raw = scene.source(**CONNECTOR)
    supervisor.run("source", work(scene.spec(raw)))
    limit = kill_at_random(supervisor, scene, 4)

    def complete() -> bool:
        seen = len(scene.numbers())
        assert seen % WHOLE == 0, "a reader saw a part of a transaction"
        return seen > limit

    eventually(complete, 300)
    assert scene.numbers() == once_each(limit)

    make_upstream(scene.upstream, limit + WHOLE + 10)  # the last one is not complete, and stays unseen
    eventually(lambda: state_of(supervisor, scene.counter)["metrics"].get("records_in", 0) >= WHOLE + 10)
    eventually(lambda: len(scene.numbers()) > limit + 1)
    supervisor.stop("source")
    eventually(lambda: gone(supervisor, scene.counter))
    assert scene.numbers() == once_each(limit + WHOLE)
    assert scene.asked("SELECT max(n) FROM acked") == [(limit + WHOLE,)]

    make_upstream(scene.upstream, limit + 2 * WHOLE)
    supervisor.run("source", work(scene.spec(raw)))
    eventually(lambda: len(scene.numbers()) > limit + WHOLE + 1)
    assert scene.numbers() == once_each(limit + 2 * WHOLE)


def test_transactions_by_time(tmp_path: Path, supervisor: Supervisor, any_log: dict[str, str]) -> None:
    scene = Scene(tmp_path, -1, any_log)
    short = {"transaction_boundary": "interval", "transaction_boundary_interval_ms": 200, "count_batch": 7}
    for task in range(2):
        supervisor.run(f"source{task}", work(scene.spec(scene.source(**short), task, 2)))
    limit = kill_at_random(supervisor, scene, 4)
    eventually(lambda: sum(scene.numbers().values()) > limit, 300)  # the last ones with nothing coming after them
    assert scene.numbers() == once_each(limit)


def test_a_graceful_stop_ends_a_transaction_that_waits(
    tmp_path: Path, supervisor: Supervisor, any_log: dict[str, str]
) -> None:
    scene = Scene(tmp_path, 1_000, any_log)
    long = {"transaction_boundary": "interval", "transaction_boundary_interval_ms": 3_600_000, "count_batch": 50}
    supervisor.run("source", work(scene.spec(scene.source(**long))))
    eventually(lambda: state_of(supervisor, scene.counter).get("metrics", {}).get("records_in") == 1_001)
    supervisor.stop("source")
    eventually(lambda: gone(supervisor, scene.counter))
    assert scene.numbers() == once_each(1_000)
    assert scene.asked("SELECT max(n) FROM acked") == [(1_000,)]


def test_a_pause_waits_for_the_end_of_a_transaction(tmp_path: Path, supervisor: Supervisor) -> None:
    scene = Scene(tmp_path, 20, None)
    counting = work(scene.spec(scene.source(**CONNECTOR)))
    supervisor.run("source", counting)
    eventually(lambda: state_of(supervisor, scene.counter).get("metrics", {}).get("records_in") == 21)
    supervisor.pause("source", replace(counting, paused=True))
    make_upstream(scene.upstream, 10_000)
    eventually(lambda: state_of(supervisor, scene.counter)["state"] == "PAUSED")
    eventually(lambda: scene.numbers() == once_each(WHOLE - 1))
