"""A task's memory does not follow the size of what it reads."""

from __future__ import annotations

import gzip
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
from tests.unit.files.driver import Driver

driver = Driver(path=sys.argv[1], format=sys.argv[2]).start()
rows = 0
before = peak_bytes()
while not any(progress.caught_up for progress in driver.progress):
    rows += driver.read(commit=False)
print(json.dumps([rows, peak_bytes() - before]))
"""
MB = 1024 * 1024
CAP = 10 * MB
TIMES = 10


@pytest.mark.parametrize(("format", "packed"), [("lines", False), ("csv", True)])
def test_a_file_ten_times_the_cap(
    tmp_path: Path, format: str, packed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "big"
    row = b"1,some words,3.5," + b"x" * 480 + b"\n"
    count = TIMES * CAP // len(row)
    with gzip.open(path, "wb", 1) if packed else path.open("wb") as file:
        file.write(b"a,b,c,d\n")
        for _ in range(count // 1000):
            file.write(row * 1000)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(path), format], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows, grown = json.loads(done.stdout)
    assert rows == count // 1000 * 1000 + (format == "lines")
    with capsys.disabled():
        print(
            f"\n{format}{' in gzip' if packed else ''}: {TIMES * CAP / MB:.0f} MB, memory grew by {grown / MB:.1f} MB"
        )
    assert grown < CAP
