"""Tasks that read files die at any moment, while others write, rotate and deliver: each line comes once."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from headwater.worker.api import TopicPartition
from headwater.worker.log import open_log
from tests.servers.worker import WorkerProcess

pytestmark = pytest.mark.system

LINES = 20_000
KILLS = 12


class Writer(threading.Thread):
    """Appends numbered lines to app.log, in pieces that end anywhere, renames it now and then, and delivers whole
    files, plain and compressed, under a name that no pattern finds before they are complete."""

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._choose = random.Random(seed)
        self.lines: list[str] = []
        self.delivered: list[str] = []

    def run(self) -> None:
        files = 0
        while len(self.lines) < LINES:
            self._append([f"line {len(self.lines) + n} é" for n in range(self._choose.randrange(200))])
            if self._choose.random() < 0.15:
                self._rotate()
            if self._choose.random() < 0.1:
                files += 1
                self._deliver(files)
            time.sleep(self._choose.random() * 0.1)

    def _append(self, lines: list[str]) -> None:
        self.lines += lines
        data = "".join(f"{line}\n" for line in lines).encode()
        cut = self._choose.randrange(len(data) + 1)
        with (self._folder / "app.log").open("ab", buffering=0) as file:
            file.write(data[:cut])
            time.sleep(self._choose.random() * 0.05)
            file.write(data[cut:])

    def _rotate(self) -> None:
        names = [self._folder / "app.log", *(self._folder / f"app.log.{n}" for n in range(1, 1000))]
        last = next(n for n, name in enumerate(names) if n and not name.exists())
        for n in range(last, 0, -1):
            with suppress(FileNotFoundError):
                os.rename(names[n - 1], names[n])

    def _deliver(self, number: int) -> None:
        lines = [f"file {number} {n}" for n in range(self._choose.randrange(1, 2000))]
        data = "".join(f"{line}\n" for line in lines).encode()
        packed = self._choose.random() < 0.5
        path = self._folder / "in" / f"{number}.txt{'.gz' if packed else ''}"
        path.with_name(f".{path.name}").write_bytes(gzip.compress(data, 1) if packed else data)
        os.rename(path.with_name(f".{path.name}"), path)
        self.delivered += lines


def config(**options: str) -> dict[str, str]:
    return {
        "connector.class": "FileSource", "format": "lines", "poll.interval.ms": "50", "batch.size": "300",
        "value.converter": "StringConverter", "restart.backoff.initial.ms": "20", "restart.backoff.max.ms": "200",
        "restart.max.attempts": "-1", **options,
    }  # fmt: skip


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_each_line_once(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
    print(f"CHAOS_SEED={seed}")
    choose = random.Random(seed)
    (tmp_path / "in").mkdir()
    connectors = [
        config(name="logs", topic="logs", path=f"{tmp_path}/app.log*"),
        config(name="files", topic="files", path=f"{tmp_path}/in/*", **{
            "tasks.max": "2", "on.done": "delete", "complete.after.ms": "0"}),
    ]  # fmt: skip
    file = tmp_path / "files.json"
    file.write_text(json.dumps(connectors))
    worker = WorkerProcess([file], tmp_path / "data").start()
    try:
        writer = Writer(tmp_path, seed)
        writer.start()
        for _ in range(KILLS):
            time.sleep(choose.random())
            kill(worker, choose)
        writer.join()
        eventually(lambda: len(values(worker.data, "logs")) >= len(writer.lines), worker)
        eventually(lambda: not list((tmp_path / "in").iterdir()), worker)
    finally:
        worker.stop(timeout_s=120)
    found = values(worker.data, "logs")
    assert Counter(found) == dict.fromkeys(writer.lines, 1)
    place = {line: n for n, line in enumerate(found)}
    for path in tmp_path.glob("app.log*"):
        within = [place[line] for line in path.read_text().splitlines()]
        assert within == sorted(within), path
    assert Counter(values(worker.data, "files")) == dict.fromkeys(writer.delivered, 1)


def kill(worker: WorkerProcess, choose: random.Random) -> None:
    """A task or two, or the worker itself."""
    if choose.random() < 0.2:
        worker.kill()
        worker.start()
        return
    for pid in choose.sample(children := worker.children(), min(len(children), choose.randrange(1, 3))):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def eventually(check: Callable[[], bool], worker: WorkerProcess, timeout_s: float = 240) -> None:
    end = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < end, worker.tail()
        time.sleep(0.3)


def values(data: Path, topic: str) -> list[str]:
    """Of the topic's one partition."""
    with closing(open_log({}, data)) as log:
        if topic not in log.topics([topic]):
            return []
        place = TopicPartition(topic, 0)
        with closing(log.consumer()) as consumer:
            consumer.assign(log.begin_offsets([place]))
            end = log.end_offsets([place])[place]
            found: list[str] = []
            while consumer.position()[place] < end:
                found += [(message.value or b"").decode() for message in consumer.poll(5000, 1.0)]
            return found
