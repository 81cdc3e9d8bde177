"""The logs that the contract suite holds to `worker/log/contract.py`."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from headwater.worker.log import Log, open_log
from tests.servers.kafka import KafkaServer

_numbers = itertools.count(1)


@dataclass
class LogFactory:
    """Opens connections to one log, also for other processes: they get `settings` and `data_dir`."""

    settings: Mapping[str, str]
    data_dir: Path
    upkeep_s: float
    """How long retention and compaction may take to get to a small topic."""
    brokers: bool = False
    """Apache Kafka: what an open transaction holds is on the log before its end."""
    opened: list[Log] = field(default_factory=list)

    def open(self) -> Log:
        log = open_log(self.settings, self.data_dir)
        self.opened.append(log)
        return log

    def name(self, what: str = "topic") -> str:
        """Not used before, also where the log outlives the test."""
        return f"{what}-{os.getpid()}-{next(_numbers)}"


@pytest.fixture(params=["embedded", "kafka", "kafka41"])
def log_factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogFactory]:
    factory = LogFactory(settings={}, data_dir=tmp_path / "data", upkeep_s=5.0)
    if request.param != "embedded":
        server: KafkaServer = request.getfixturevalue(request.param)
        settings = {"bootstrap.servers": server.bootstrap, "consumer.metadata.max.age.ms": "500"}
        factory = LogFactory(settings, tmp_path, upkeep_s=60.0, brokers=True)
    yield factory
    for log in factory.opened:
        log.close()


@pytest.fixture
def log(log_factory: LogFactory) -> Log:
    return log_factory.open()


@pytest.fixture
def make_topic(log_factory: LogFactory, log: Log) -> Callable[..., str]:
    """`make_topic(partitions=1, **{"retention.ms": "1"})` -> its name."""

    def make(partitions: int = 1, **config: str) -> str:
        name = log_factory.name()
        log.create_topic(name, partitions, config)
        return name

    return make
