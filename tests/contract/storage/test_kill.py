"""kill -9 of a writer: nothing of its file is seen, everything of what it published."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headwater.connectors.parquet.data_reader import read_batches
from headwater.connectors.parquet.storage import Storage

PROGRAM = Path(__file__).with_name("writing_process.py")
PATH = "g1/data/f.parquet"


def killed(config: dict[str, str], publish: str, last_line: str, after_s: float = 0) -> None:
    process = subprocess.Popen(
        [sys.executable, PROGRAM, json.dumps(config), PATH, publish], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if last_line in line:
            break
    time.sleep(after_s)
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("place", ["local", "versitygw"], indirect=True)
def test_killed_before_publish(place: dict[str, str], storage: Storage) -> None:
    killed(place, "stay", "bytes written")
    assert list(storage.list()) == [] and storage.read(PATH) is None
    time.sleep(1.1)  # S3 tells the age of an upload in whole seconds
    assert storage.abandon_uploads(older_than_s=0) == 1


def test_killed_after_publish(place: dict[str, str], storage: Storage) -> None:
    killed(place, "publish", "published")
    assert sum(batch.num_rows for batch in read_batches(storage, PATH)) == 1_600_000
    assert storage.abandon_uploads(older_than_s=0) == 0


@pytest.mark.parametrize("after_ms", [0, 2, 5, 10, 20])
@pytest.mark.parametrize("place", ["local", "versitygw"], indirect=True)
def test_killed_while_it_publishes(place: dict[str, str], storage: Storage, after_ms: int) -> None:
    """All of it or nothing."""
    killed(place, "publish", "bytes written", after_ms / 1000)
    for info in storage.list():
        assert info.path == PATH
        assert sum(batch.num_rows for batch in read_batches(storage, PATH)) == 1_600_000
