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
from .views import PostgresView, View

Make = Callable[[str, tuple[str, ...]], Scenario]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A scenario on servers of its own."""
    with ExitStack() as stack:

        def make(log_name: str, view_names: tuple[str, ...]) -> Scenario:
            server = stack.enter_context(postgres.running(18, settings={"fsync": "on", "full_page_writes": "on"}))
            log: LogUnderTest = Embedded(tmp_path / "data", PREFIX)
            if log_name == "kafka":
                log = Kafka(stack.enter_context(kafka.running()), PREFIX)
            views: list[View] = [PostgresView(server) for name in view_names if name == "postgres"]
            scenario = Scenario(tmp_path, server, log, views, keep_all="change-log" in view_names)
            stack.callback(scenario.worker.kill)
            return scenario

        yield make


def seed() -> int:
    return int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("log", ["embedded"])
def test_ten_kills(make: Make, log: str) -> None:
    make(log, ("postgres",)).run(kills=10, seed=seed())


@pytest.mark.chaos
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("views", [("postgres",)], ids="+".join)
@pytest.mark.parametrize("log", ["embedded"])
def test_many_kills(make: Make, log: str, views: tuple[str, ...]) -> None:
    make(log, views).run(kills=40, seed=seed())
