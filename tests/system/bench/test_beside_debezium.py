"""The benchmark runs from end to end, with so few rows that its figures mean nothing: nothing here is timed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PATHS = {"snapshot", "stream", "Postgres view, load", "Postgres view, changes"}
OURS = PATHS | {"Postgres view, rebuild", "Parquet view, load", "Parquet view, changes", "Parquet view, rebuild"}
RAW = {"COPY TO STDOUT", "COPY FROM STDIN", "pg_recvlogical", "produce", "pyarrow write"}

pytestmark = [pytest.mark.system, pytest.mark.servers, pytest.mark.long, pytest.mark.timeout(1500)]


def test_every_path_is_measured_beside_debezium_and_the_raw_limits() -> None:
    command = [sys.executable, str(ROOT / "bench" / "beside_debezium.py"), "--rows", "2000", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    measured: dict[str, set[str]] = {}
    for result in results:
        assert result["rows_per_s"] > 0
        measured.setdefault(result["who"].split()[0], set()).add(result["path"])
    assert measured == {"Headwater": OURS, "Debezium": PATHS, "raw": RAW}
    compared = [result for result in results if result["who"].startswith("Debezium")]
    assert all(result["headwater_to_this"]["rows_per_cpu_s"] > 0 for result in compared)
