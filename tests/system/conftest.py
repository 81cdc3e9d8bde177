from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.worker.runtime.supervisor import Supervisor


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    running = Supervisor(grace_s=10)
    running.start()
    yield running
    running.stop_all()
    assert not running.snapshot()
