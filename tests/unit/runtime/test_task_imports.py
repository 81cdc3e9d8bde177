"""How long a task takes to start is what its process imports: a takeover starts several at once."""

from __future__ import annotations

import subprocess
import sys

KAFKA = "import sys, headwater.worker.runtime.task_process, headwater.worker.log.kafka"
SHOWN = "print(*(name for name in sys.modules if name.startswith('headwater.worker.log.embedded')))"


def test_a_task_on_kafka_loads_no_embedded_log() -> None:
    ran = subprocess.run([sys.executable, "-P", "-c", f"{KAFKA}; {SHOWN}"], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == ""
