"""Several processes on one log, some of them killed -9 in the middle of a commit."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.worker.api import TopicPartition
from headwater.worker.log import Log, Message

from .conftest import LogFactory
from .reading import drain, partitions_of, read_all, values

KILLS = 12
_VALUE = re.compile(rb"(?:#[abc]{700}#)?(\d+):(\d+)/(\d+)")


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(log_factory: LogFactory) -> Iterator[Start]:
    """`start(id=, topic=, positions=, first=, most=)` runs `committing_process.py`; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def run(**given: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("committing_process.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdin is not None
        settings = {"settings": dict(log_factory.settings), "data_dir": str(log_factory.data_dir)}
        process.stdin.write(json.dumps(given | settings) + "\n")
        process.stdin.flush()
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def kill(process: subprocess.Popen[str]) -> list[int]:
    """What it had said until then."""
    process.send_signal(signal.SIGKILL)
    text, _ = process.communicate()
    return [int(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def whole_transactions(messages: list[Message]) -> list[int]:
    """The transactions seen, each checked to be there whole and once, in the order of the first partition seen."""
    parts: dict[int, Counter[int]] = {}
    counts: dict[int, int] = {}
    for message in messages:
        match = _VALUE.fullmatch(message.value or b"")
        assert match is not None
        number, index, count = map(int, match.groups())
        parts.setdefault(number, Counter())[index] += 1
        counts[number] = count
    for number, seen in parts.items():
        assert seen == Counter(range(counts[number])), f"transaction {number} is not there whole and once"
    return sorted(parts)


def finish_open_transaction(log: Log, transactional_id: str) -> None:
    producer = log.producer(transactional_id)
    producer.init_transactions()
    producer.close()


def test_killed_at_any_point_it_loses_nothing_and_shows_nothing_half_done(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str], start: Start
) -> None:
    topic = make_topic(3, **{"retention.ms": "-1"})
    positions = make_topic(1, **{"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"})
    name = log_factory.name("id")
    acknowledged, first = 0, 1
    for round_ in range(KILLS):
        most = 2000 if round_ % 3 == 0 else 20
        child = start(id=name, topic=topic, positions=positions, first=first, most=most, maintain=True)
        assert child.stdout is not None
        assert child.stdout.readline().strip() == str(first)
        time.sleep(random.uniform(0.0, 0.25))
        acknowledged = max([first, *kill(child)])
        finish_open_transaction(log, name)
        stored = log.committed(name)[TopicPartition(topic, 0)]
        assert stored in (acknowledged, acknowledged + 1)
        assert values(read_all(log, positions))[-1] == b"%d" % stored
        first = stored + 1
    assert whole_transactions(read_all(log, topic)) == list(range(1, first))


def test_two_writers_and_a_reader_at_once(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str], start: Start
) -> None:
    """The reader sees each transaction's records in order, and in the end all of them once."""
    topic, positions = make_topic(2), make_topic(1, **{"cleanup.policy": "compact"})
    names = [log_factory.name("id") for _ in range(2)]
    last = 80
    children = [
        start(id=name, topic=topic, positions=positions, first=number * 1000 + 1, most=300, last=end)
        for number, name in enumerate(names)
        for end in [number * 1000 + last]
    ]
    consumer = log.consumer()
    consumer.assign(log.begin_offsets(partitions_of(log, topic)))
    found: list[Message] = []
    while any(child.poll() is None for child in children):
        found += consumer.poll(500, 0.1)
    found += drain(log, consumer)
    consumer.close()
    for child in children:
        text, _ = child.communicate()
        assert text.splitlines()[-1] == "done"
    assert whole_transactions(found) == [*range(1, last + 1), *range(1001, 1001 + last)]
    assert {name: log.committed(name) for name in names} == {
        name: {TopicPartition(topic, 0): number * 1000 + last} for number, name in enumerate(names)
    }
    by_writer: dict[tuple[int | None, bool], list[int]] = {}
    for message in found:
        match = _VALUE.fullmatch(message.value or b"")
        assert match is not None
        number = int(match[1])
        by_writer.setdefault((message.partition, number > 1000), []).append(number)
    assert all(numbers == sorted(numbers) for numbers in by_writer.values())


def test_a_suspended_process_that_wakes_up_changes_nothing(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str], start: Start
) -> None:
    """SIGSTOP, a successor starts, SIGCONT: the old one is fenced at its next commit."""
    topic, positions = make_topic(1), make_topic(1, **{"cleanup.policy": "compact"})
    name = log_factory.name("id")
    old = start(id=name, topic=topic, positions=positions, first=1, most=20)
    assert old.stdout is not None
    acknowledged = [old.stdout.readline().strip() for _ in range(10)]
    suspend_outside_a_commit(old, log)
    successor = start(id=name, topic=topic, positions=positions, first=100_001, most=20, last=100_020)
    text, _ = successor.communicate(timeout=30)
    assert text.splitlines()[-1] == "done"
    old.send_signal(signal.SIGCONT)
    text, _ = old.communicate(timeout=30)
    assert text.splitlines()[-1] == "fenced"
    acknowledged += text.splitlines()[:-1]
    seen = whole_transactions(read_all(log, topic))
    assert seen[-20:] == list(range(100_001, 100_021))
    assert seen[:-20] == [int(line) for line in acknowledged]
    assert log.committed(name) == {TopicPartition(topic, 0): 100_020}
    assert values(read_all(log, positions))[-1] == b"100020"


def suspend_outside_a_commit(process: subprocess.Popen[str], log: Log) -> None:
    """On one machine a process stopped within its commit holds up everybody until it goes on; here it must not."""
    for _ in range(200):
        process.send_signal(signal.SIGSTOP)
        probe = threading.Thread(target=log.delete_group, args=("nobody",))
        probe.start()
        probe.join(0.3)
        if not probe.is_alive():
            return
        process.send_signal(signal.SIGCONT)
        probe.join()
        time.sleep(random.uniform(0.001, 0.01))
    raise AssertionError("the process was within a commit each time")
