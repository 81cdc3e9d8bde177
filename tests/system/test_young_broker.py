"""A broker that has just started: its groups have no coordinator yet. What asks too early has to wait, not to die."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.kafka import KafkaServer, running

pytestmark = pytest.mark.system

ASK = """
import sys
from pathlib import Path
from headwater.worker.log import open_log
log = open_log({"bootstrap.servers": sys.argv[1]}, Path(sys.argv[2]))
print(log.committed("nobody"))
"""


@pytest.fixture
def young() -> Iterator[KafkaServer]:
    with running() as server:
        yield server


def test_offsets_of_a_group_that_has_no_coordinator_yet(young: KafkaServer, tmp_path: Path) -> None:
    """In a process of its own: librdkafka has been seen to end it."""
    asked = subprocess.run([sys.executable, "-c", ASK, young.bootstrap, str(tmp_path)], capture_output=True, text=True)
    assert (asked.returncode, asked.stdout) == (0, "{}\n"), asked.stderr
