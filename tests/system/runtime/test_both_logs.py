"""What must not depend on the log: tasks and workers killed, stopped, doubled, started anew; embedded and on Kafka."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from headwater.worker.api import TopicPartition
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.file_lock import FileLock
from headwater.worker.runtime.barrier import dump_halt, halt_key
from headwater.worker.runtime.internal_topics import InternalTopics
from headwater.worker.runtime.supervisor import Supervisor
from tests.plugins.counting.source import make_upstream, set_mood
from tests.servers.process import kill_group

from .scene import Scene, eventually, once_each, state_of, work

pytestmark = pytest.mark.system


def kill_at_random(supervisor: Supervisor, scene: Scene, rounds: int) -> int:
    """Returns how far the upstream counts at the end."""
    dice = random.Random(5)
    limit = 0
    for _ in range(rounds):
        limit += 1_500
        make_upstream(scene.upstream, limit)
        time.sleep(dice.uniform(0.2, 0.9))
        alive = [s["pid"] for s in supervisor.snapshot() if s["pid"]]
        for pid in dice.sample(alive, min(len(alive), 2)):
            kill_group(pid)
    return limit


def test_kills_at_random_lose_and_double_nothing(
    tmp_path: Path, supervisor: Supervisor, any_log: dict[str, str]
) -> None:
    scene = Scene(tmp_path, 0, any_log)
    for task in range(2):
        supervisor.run(f"source{task}", work(scene.spec(scene.source(count_batch=7), task, 2)))
        supervisor.run(f"sink{task}", work(scene.spec(scene.sink(), task, 2)))
    limit = kill_at_random(supervisor, scene, 12)
    eventually(lambda: sum(scene.rows().values()) >= limit + 1, 300)
    assert scene.numbers() == once_each(limit)
    assert scene.rows() == once_each(limit)


def test_at_least_once_loses_nothing(tmp_path: Path, supervisor: Supervisor, any_log: dict[str, str]) -> None:
    scene = Scene(tmp_path, 0, any_log)
    raw = scene.source(count_batch=7, exactly_once_support="disabled")
    for task in range(2):
        supervisor.run(f"source{task}", work(scene.spec(raw, task, 2)))
    limit = kill_at_random(supervisor, scene, 8)
    eventually(lambda: len(scene.numbers()) == limit + 1, 300)
    # positions never stood before the records: the last that was stored is on the log, and so is all before it
    assert set(scene.numbers()) == set(range(limit + 1))


def test_a_graceful_stop_reads_nothing_twice(tmp_path: Path, supervisor: Supervisor, any_log: dict[str, str]) -> None:
    scene = Scene(tmp_path, 10_000_000, any_log)
    supervisor.run("source", work(scene.spec(scene.source(count_batch=50))))
    eventually(lambda: len(scene.numbers()) > 500)
    supervisor.stop("source")
    eventually(lambda: state_of(supervisor, scene.counter)["state"] == "GONE")
    last = max(scene.numbers())
    assert scene.asked("SELECT max(n) FROM acked") == [(last,)]
    supervisor.run("source", work(scene.spec(scene.source(count_batch=50))))
    eventually(lambda: len(scene.asked("SELECT * FROM opened")) == 2)
    assert scene.asked("SELECT n FROM opened ORDER BY rowid DESC LIMIT 1") == [(last,)]


def test_a_barrier_is_reached_and_not_passed(tmp_path: Path, supervisor: Supervisor, any_log: dict[str, str]) -> None:
    scene = Scene(tmp_path, 2_000, any_log)
    log = scene.log()
    halts = CompactedDict(log, InternalTopics.of(any_log).views)
    supervisor.run("source", work(scene.spec(scene.source(count_batch=50))))
    eventually(lambda: len(scene.numbers()) == 2_001)
    # in the middle of the records, and after them, where markers of transactions may stand
    ends = log.end_offsets([TopicPartition(scene.topic, n) for n in range(2)])
    at = {TopicPartition(scene.topic, 0): 100, TopicPartition(scene.topic, 1): ends[TopicPartition(scene.topic, 1)]}
    halts.put(halt_key(scene.view, 2), dump_halt(at))
    supervisor.run("sink", work(scene.spec(scene.sink(), generation=2)))
    eventually(lambda: log.committed(f"connect-{scene.view}-g2", at) == at)
    held = scene.rows(2)
    make_upstream(scene.upstream, 3_000)
    eventually(lambda: len(scene.numbers()) == 3_001)
    time.sleep(1)
    assert scene.rows(2) == held and set(held.values()) == {1}
    halts.put(halt_key(scene.view, 2), None)
    eventually(lambda: scene.rows(2) == once_each(3_000))
    halts.close()
    log.close()


def stop_outside_a_transaction(pid: int, scene: Scene) -> None:
    """SIGSTOP where the process holds no lock of a file: one that does stops every other writer as well."""
    for _ in range(100):
        os.kill(pid, signal.SIGSTOP)
        files = (scene.data / "log.db", Path(scene.table), Path(scene.upstream))
        if unlocked(scene.data / "log.db-lock") and all(map(free_to_write, files)):
            return
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.01)
    raise AssertionError("the task holds a lock whenever it is looked at")


def unlocked(path: Path) -> bool:
    lock = FileLock(path)
    try:
        return lock.acquire(timeout_s=0.2)
    finally:
        lock.close()


def free_to_write(file: Path) -> bool:
    if not file.exists():
        return True
    db = sqlite3.connect(file, timeout=0.2, isolation_level=None)
    try:
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")
        return True
    except sqlite3.OperationalError:
        return False
    finally:
        db.close()


@pytest.mark.parametrize("kind", ["source", "sink"])
def test_a_zombie_that_wakes_up_changes_nothing(
    tmp_path: Path, supervisor: Supervisor, any_log: dict[str, str], kind: str
) -> None:
    """The task is stopped in its tracks, a second incarnation takes over, the first one wakes up."""
    scene = Scene(tmp_path, 500_000, any_log)
    set_mood(scene.upstream, "slow")
    never_again = {"restart.max.attempts": "0"}
    if kind == "sink":
        supervisor.run("other", work(scene.spec(scene.source(count_batch=20))))
    first = work(scene.spec((scene.source(count_batch=20) if kind == "source" else scene.sink()) | never_again))
    name = str(first.who["connector"])
    counted = scene.numbers if kind == "source" else scene.rows
    supervisor.run("zombie", first)
    eventually(lambda: len(counted()) > 200)
    zombie = state_of(supervisor, name)["pid"]
    stop_outside_a_transaction(zombie, scene)
    successor = Supervisor(grace_s=10)
    successor.start()
    try:
        successor.run("successor", first)
        before = len(counted())
        eventually(lambda: len(counted()) > before + 200)
        os.kill(zombie, signal.SIGCONT)
        eventually(lambda: state_of(supervisor, name)["state"] == "FAILED")
        before = len(counted())
        eventually(lambda: len(counted()) > before + 200)
        assert state_of(successor, name)["state"] == "RUNNING"
    finally:
        successor.stop_all()
    found = counted()
    assert set(found.values()) == {1} and len(found) == max(found) + 1
