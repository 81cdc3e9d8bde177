"""Tasks that read objects die at any moment, while others are put: each row comes once."""

from __future__ import annotations

import gzip
import json
import os
import random
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from headwater.worker.api import TopicPartition
from headwater.worker.log import open_log
from tests.servers.worker import WorkerProcess
from tests.system.files.test_kills import eventually, kill, values

from .store import Store

pytestmark = pytest.mark.system

OBJECTS = 150
KILLS = 8


class Writer(threading.Thread):
    """Puts objects, plain and compressed, small ones and now and then a large one, in names of any order."""

    def __init__(self, store: Store, seed: int) -> None:
        super().__init__(daemon=True)
        self._store, self._choose = store, random.Random(seed)
        self.lines: list[str] = []

    def run(self) -> None:
        for number in range(OBJECTS):
            size = 45_000 if number % 75 == 7 else self._choose.randrange(1, 800)
            lines = [f"object {number} line {n} {'x' * 80}" for n in range(size)]
            data = "\n".join(lines).encode()
            packed = self._choose.random() < 0.4
            folder = self._choose.choice(["a", "b", f"day={number // 30}"])
            name = f"{number:05}" if folder.startswith("day") else f"{self._choose.randrange(10**6)}-{number}"
            self._store.put(f"in/{folder}/{name}", gzip.compress(data, 1) if packed else data)
            self.lines += lines
            time.sleep(self._choose.random() * 0.1)


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("store", ["versitygw", pytest.param("moto", marks=pytest.mark.long)], indirect=True)
def test_each_row_once(store: Store, tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
    print(f"CHAOS_SEED={seed}")
    choose = random.Random(seed)
    connector = {
        "name": "objects", "connector.class": "S3Source", "path": f"s3://{store.bucket}/in", "topic": "objects",
        "format": "lines", "tasks.max": "2", "s3.poll.interval.ms": "100", "listing.full.interval.ms": "1000",
        "remember.ms": "5000", "record.batch.max.size": "300", "value.converter": "StringConverter",
        "restart.backoff.initial.ms": "20", "restart.backoff.max.ms": "200", "restart.max.attempts": "-1",
        **store.options,
    }  # fmt: skip
    file = tmp_path / "objects.json"
    file.write_text(json.dumps([connector]))
    worker = WorkerProcess([file], tmp_path / "data").start()
    try:
        writer = Writer(store, seed)
        writer.start()
        for _ in range(KILLS):
            time.sleep(choose.random())
            kill(worker, choose)
        writer.join()
        wanted = len(writer.lines)
        eventually(lambda: end(worker.data) >= wanted and len(values(worker.data, "objects")) >= wanted, worker)
    finally:
        worker.stop(timeout_s=120)
    found = values(worker.data, "objects")
    assert Counter(found) == dict.fromkeys(writer.lines, 1)
    place = {line: n for n, line in enumerate(found)}
    orders: dict[str, list[int]] = {}
    for line in writer.lines:
        orders.setdefault(line.split(" line ")[0], []).append(place[line])
    assert all(order == sorted(order) for order in orders.values())


def end(data: Path) -> int:
    """Of the topic's one partition: it costs nothing, and what was not committed counts as well."""
    place = TopicPartition("objects", 0)
    with closing(open_log({}, data)) as log:
        return log.end_offsets([place])[place] if log.topics(["objects"]) else 0
