"""kill -9 of anything that runs, tasks and brokers that freeze, transactions that are cut open."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
import urllib.error
from collections import Counter
from pathlib import Path

from tests.servers.postgres import PostgresServer
from tests.servers.worker import WorkerProcess

from .logs import LogUnderTest

CUTS = 60
"""How often a task is stopped, to find it within a transaction, before it is killed wherever it is."""


class Disturbances:
    """`kills` counts processes and servers killed, `others` what was frozen; `log` tells all of it, in order."""

    def __init__(
        self, worker: WorkerProcess, server: PostgresServer, log: LogUnderTest, source: str, chance: random.Random
    ) -> None:
        self._worker = worker
        self._server = server
        self._log = log
        self._source = source
        self._chance = chance
        self._pauses = random.Random(chance.random())  # so that their number does not change what comes next
        self._deck: list[str] = []
        self._timers: list[threading.Timer] = []
        self.told: list[str] = []
        self.done: Counter[str] = Counter()

    @property
    def kills(self) -> int:
        return sum(number for what, number in self.done.items() if what != "freeze")

    def next(self) -> None:
        """The next card of a shuffled deck, which holds ten kills, some of each kind."""
        if not self._deck:
            self._deck = ["worker", "task", "task", "job", "job", "cut", "cut", "server", "freeze"]
            self._deck += ["cut", "server"] if self._log.broker is None else ["broker", "broker"]
            self._chance.shuffle(self._deck)
        what = self._deck.pop()
        if getattr(self, what)():
            self.done[what] += 1
            self.told.append(what)

    def worker(self) -> bool:
        self._worker.kill()
        self._worker.start(ready_s=60)
        return True

    def task(self) -> bool:
        """Any child of the worker: tasks, jobs, calls of plugins."""
        return _signal(self._chance.choice(self._worker.children() or [0]), signal.SIGKILL)

    def job(self) -> bool:
        """A rebuild's, where one runs; else a task."""
        jobs = [pid for pid in self._worker.children() if b"rebuild.job_process" in _command_line(pid)]
        return _signal(self._chance.choice(jobs), signal.SIGKILL) if jobs else self.task()

    def cut(self) -> bool:
        """The source's task between send and commit, its transaction open."""
        pid = task_pid(self._worker, self._source)
        for _ in range(CUTS):
            if not pid or not _signal(pid, signal.SIGSTOP):
                return False
            if self._log.transaction_is_open():
                break
            _signal(pid, signal.SIGCONT)
            time.sleep(self._pauses.uniform(0.001, 0.03))
        else:
            self.told.append("found no transaction to cut")
        return _signal(pid, signal.SIGKILL)

    def server(self) -> bool:
        self._server.kill()
        self._server.start()
        return True

    def broker(self) -> bool:
        """Killed while it runs, or after it has stood still, its clients waiting for answers."""
        broker = self._log.broker
        assert broker is not None
        if self._chance.random() < 0.3:
            broker.freeze()
            time.sleep(self._pauses.uniform(0.5, 5))
        broker.kill()
        broker.start()
        return True

    def freeze(self) -> bool:
        """A child stands still for a while, unseen, and goes on: others may have taken its place meanwhile."""
        pid = self._chance.choice(self._worker.children() or [0])
        frozen = _signal(pid, signal.SIGSTOP)
        self._later(lambda: _signal(pid, signal.SIGCONT))
        return frozen

    def _later(self, call: object) -> None:
        timer = threading.Timer(self._pauses.uniform(0.5, 6), call)  # type: ignore[arg-type]
        timer.start()
        self._timers.append(timer)

    def end(self) -> None:
        """Nothing is frozen any more."""
        for timer in self._timers:
            timer.join()


def task_pid(worker: WorkerProcess, connector: str) -> int:
    """The process of its first task; 0: there is none now."""
    with contextlib.suppress(OSError, urllib.error.URLError):
        tasks = worker.get(f"/connectors/{connector}/status")["tasks"]
        return int(tasks[0]["pid"] or 0) if tasks else 0
    return 0


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""  # it has just ended


def _signal(pid: int, number: signal.Signals) -> bool:
    """False: there is no such process (any more)."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
