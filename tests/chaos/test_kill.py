"""Workers, tasks, jobs, servers and brokers die at random, rebuilds in flight: nothing is lost or comes twice."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers import kafka, postgres

from .logs import Embedded, Kafka, LogUnderTest
from .scenario import PREFIX, Scenario
from .views import ParquetView, PostgresView, View

Make = Callable[[str, str], Scenario]
"""From the name of the log and those of the views, joined by +."""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A scenario on servers of its own."""
    with ExitStack() as stack:

        def make(log_name: str, wanted: str) -> Scenario:
            view_names = wanted.split("+")
            server = stack.enter_context(postgres.running(18, settings={"fsync": "on", "full_page_writes": "on"}))
            log: LogUnderTest = Embedded(tmp_path / "data", PREFIX)
            if log_name == "kafka":
                # Not 4.3: killed right after a commit, 4.3.1 leaves that transaction open for ever when it is back.
                log = Kafka(stack.enter_context(kafka.running("4.1")), PREFIX)
            views: list[View] = [
                PostgresView(server) if name == "postgres" else ParquetView(tmp_path, name) for name in view_names
            ]
            scenario = Scenario(tmp_path, server, log, views, keep_all="change-log" in view_names)
            stack.callback(scenario.worker.kill)
            return scenario

        yield make


def seed() -> int:
    return int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("log", "views"),
    [("embedded", "postgres+latest-state"), ("kafka", "postgres+change-log")],
)
def test_ten_kills(make: Make, log: str, views: str) -> None:
    make(log, views).run(kills=10, seed=seed())


@pytest.mark.chaos
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("log", "views"),
    [
        ("embedded", "postgres"),
        ("embedded", "change-log"),
        ("embedded", "postgres+latest-state"),
        ("kafka", "postgres"),
        ("kafka", "latest-state"),
        ("kafka", "postgres+change-log"),
    ],
)
def test_many_kills(make: Make, log: str, views: str) -> None:
    """200 in all."""
    make(log, views).run(kills=34, seed=seed())
