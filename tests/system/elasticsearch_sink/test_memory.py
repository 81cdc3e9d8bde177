"""A task's memory follows its options, not the records that it is given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.elasticsearch import SearchServer

from .task import fresh

pytestmark = [pytest.mark.system, pytest.mark.long]

MB = 1024 * 1024
SCRIPT = """
import pathlib, re, sys
from headwater.worker.api import TopicPartition
from tests.system.elasticsearch_sink.task import Task, parsed
from tests.system.postgres_sink.records import Topic

def most():  # bytes; getrusage counts the process that started this one as well
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) * 1024

url, distribution, name, rows = *sys.argv[1:4], int(sys.argv[4])
made = parsed(url, distribution, bulk_size_bytes=str(2 * 1024 * 1024), max_in_flight_requests="2",
              index_mappings='{"name": {"type": "text", "index": false}}')
topic = Topic(topic=name, flat=True)
with Task(made, TopicPartition(name, 0), view=name) as task:
    task.put(topic.put({"id": 0, "name": "x", "qty": 0}))
    before = most()
    for start in range(1, rows, 125):
        task.write([topic.put({"id": n, "name": f"{n:016}" * 1000, "qty": n}) for n in range(start, start + 125)])
    task.sink.flush()
    assert task.bad == []
print(most() - before)
"""


def test_bounded(search: SearchServer) -> None:
    """190 MB of documents through a task that may hold 6 MB of them: two requests on their way and one that fills.

    Their records, what the client copies, and what Python's allocator keeps come on top.
    """
    name, rows = fresh("memory"), 12_000
    arguments = [sys.executable, "-c", SCRIPT, search.url, search.distribution, name, str(rows)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(arguments, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    grown = int(done.stdout)
    print(f"{search.distribution}: {rows} documents of 16 kB, the task has grown by {grown / MB:.1f} MB")
    assert grown < 120 * MB
    search.request("POST", f"/{name}/_refresh")
    assert search.request("GET", f"/{name}/_count")["count"] == rows + 1
    search.request("DELETE", f"/{name}-g1")
