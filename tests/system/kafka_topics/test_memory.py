"""A task's memory does not follow the size of the topic, nor the number of its keys."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tests.servers.kafka import KafkaServer

pytestmark = pytest.mark.system

SCRIPT = """
import json, sys
from headwater.connectors.kafka.source import KafkaSourceConnector
from headwater.worker.api import TaskContext
from tests.servers.process import peak_bytes

options = {"source.bootstrap.servers": sys.argv[1], "topics": sys.argv[2], "topic": "copy", "copy": sys.argv[3]}
values, problems = KafkaSourceConnector.options.parse(options)
assert not problems, problems
context = TaskContext("copy", 0, values, {})
ended = []
context.report_progress = lambda progress: ended.append(True) if progress.caught_up else None
source = KafkaSourceConnector().task()
source.open(context, [])
before, rows = peak_bytes(), 0
while not ended:
    batch = source.read(0.5)
    rows += len(batch.records) if batch else 0
source.close()
print(json.dumps([rows, peak_bytes() - before]))
"""
MB = 1024 * 1024
CAP = 64 * MB
TIMES = 10
VALUE = 10_000
"""Bytes of a record, about."""
ROWS = TIMES * CAP // VALUE


def filled(kafka: KafkaServer, sizes: Iterable[int], keys: int) -> str:
    """The name of a topic of one partition with records of these sizes, in order."""
    name = f"large-{secrets.token_hex(6)}"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(60)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 20, "queue.buffering.max.kbytes": 32768})
    filler = os.urandom(MB)
    for n, size in enumerate(sizes):
        while True:
            try:
                producer.produce(name, filler[:size], b"%d" % (n % keys))
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(300) == 0
    return name


def read(kafka: KafkaServer, topic: str, copy: str) -> tuple[int, int]:
    """Records that were passed on, and bytes by which the memory of a process of their own grew."""
    arguments = [sys.executable, "-c", SCRIPT, kafka.bootstrap, topic, copy]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(arguments, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows, grown = json.loads(done.stdout)
    return rows, grown


@pytest.mark.long
def test_a_topic_ten_times_the_cap(kafka: KafkaServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Read twice, with every key remembered in between; every key is there twice."""
    topic = filled(kafka, [VALUE] * ROWS, ROWS // 2)
    rows, grown = read(kafka, topic, "latest")
    assert rows == ROWS // 2
    with capsys.disabled():
        print(f"\n{ROWS * VALUE / MB:.0f} MB: memory grew by {grown / MB:.1f} MB")
    assert grown < CAP


@pytest.mark.long
def test_large_records_after_small_ones(kafka: KafkaServer, capsys: pytest.CaptureFixture[str]) -> None:
    """As many of them at once as there were of the small ones would be 2 GB."""
    sizes = [100] * 20_000 + [900_000] * 300
    topic = filled(kafka, sizes, 1000)
    rows, grown = read(kafka, topic, "all")
    assert rows == len(sizes)
    with capsys.disabled():
        print(f"\n{sum(sizes) / MB:.0f} MB: memory grew by {grown / MB:.1f} MB")
    assert grown < 1.5 * CAP
