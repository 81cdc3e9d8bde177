"""A task's memory follows its option, not the rows that it is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

SCRIPT = """
import json, sys
from tests.servers.process import peak_bytes
from tests.system.parquet_sink.task import Task, values
from tests.system.postgres_sink.records import Topic

root, mode, most, rows = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
options = {"view_mode": mode, "memory_max_bytes": most, "latest_file_rows": "20000"}
if mode == "change.log":
    options |= {"partitioner_class": "field", "partition_field_name": "qty"}
topic = Topic(flat=True)
with Task(values(root, **options)) as task:
    task.put(topic.put({"id": 0, "name": "x", "qty": 0}))
    before = peak_bytes()
    for start in range(1, rows, 2000):
        task.write([topic.put({"id": n, "name": f"{n:x}" * 500, "qty": n % 20}) for n in range(start, start + 2000)])
    task.sink.flush()
print(json.dumps(peak_bytes() - before))
"""
MB = 1024 * 1024


@pytest.mark.parametrize("mode", ["change.log", "latest.state"])
def test_bounded(tmp_path: Path, mode: str) -> None:
    """240 MB of rows through a task that may hold 32 MB. Arrow's pool, encoder and a commit's file come on top."""
    arguments = [sys.executable, "-c", SCRIPT, str(tmp_path), mode, str(32 * MB), "100000"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(arguments, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    grown = json.loads(done.stdout)
    print(f"{mode}: 240 MB of rows, the task has grown by {grown / MB:.1f} MB")
    assert grown < 200 * MB
