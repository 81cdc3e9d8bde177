"""A task's memory follows its options, not the records that it is given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headwater.worker.api import TopicPartition
from tests.servers.elasticsearch import SearchServer
from tests.servers.search_gate import Fault, standing
from tests.system.postgres_sink.records import Topic

from .task import Task, fresh, parsed

pytestmark = [pytest.mark.system, pytest.mark.long]

MB = 1024 * 1024
SCRIPT = """
import sys
from headwater.worker.api import TopicPartition
from tests.servers.process import peak_bytes
from tests.system.elasticsearch_sink.task import Task, parsed
from tests.system.postgres_sink.records import Topic

url, distribution, name, rows = *sys.argv[1:4], int(sys.argv[4])
made = parsed(url, distribution, bulk_size_bytes=str(2 * 1024 * 1024), max_in_flight_requests="2",
              index_mappings='{"name": {"type": "text", "index": false}}')
topic = Topic(topic=name, flat=True)
with Task(made, TopicPartition(name, 0), view=name) as task:
    task.put(topic.put({"id": 0, "name": "x", "qty": 0}))
    before = peak_bytes()
    for start in range(1, rows, 125):
        task.write([topic.put({"id": n, "name": f"{n:016}" * 1000, "qty": n}) for n in range(start, start + 125)])
    task.sink.flush()
    assert task.bad == []
print(peak_bytes() - before)
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


def test_large_documents_are_read_a_few_at_a_time(search: SearchServer) -> None:
    """Small events that leave large values out: it is the documents that count, 30 MB of them."""
    topic = Topic(topic=fresh("memory"), flat=True)
    partition = TopicPartition(topic.name, 0)
    asked: list[str] = []

    def heard(method: str, path: str) -> Fault | None:
        asked.append(path)
        return None

    with standing(search.url) as gate:
        made = parsed(gate.url, search.distribution, index_mappings='{"name": {"type": "text", "index": false}}')
        with Task(made, partition, view=topic.name) as task:
            for start in range(0, 300, 50):
                numbers = range(start, start + 50)
                task.put(*(topic.put({"id": n, "name": f"{n:03}" * 33_000, "qty": 1}) for n in numbers))
            gate.choose = heard
            task.put(*(topic.put({"id": n, "name": "__debezium_unavailable_value", "qty": 2}) for n in range(300)))
            assert task.bad == []
    assert len([path for path in asked if path.startswith("/_mget")]) >= 4
    found = search.documents(topic.name)
    assert all(document["qty"] == 2 and document["name"] == f"{int(n):03}" * 33_000 for n, document in found.items())
    assert len(found) == 300
    search.request("DELETE", f"/{topic.name}-g1")
