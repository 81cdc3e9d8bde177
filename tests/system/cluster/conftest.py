"""Clusters of workers on the shared broker, or on one of the test's own."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import plugins
from tests.servers.kafka import KafkaServer

from .cluster import Cluster

_groups = itertools.count()


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """`make(broker, workers, settings)`: not started."""
    plugins.install()
    made: list[Cluster] = []

    def make(broker: KafkaServer, workers: int = 3, settings: dict[str, str] | None = None) -> Cluster:
        group = f"group{time.time_ns() % 10**9}-{next(_groups)}"
        made.append(Cluster(tmp_path, broker, group, workers, settings))
        return made[-1]

    yield make
    for one in made:
        one.close()
        print(one.logs(), file=sys.stderr)  # shown where the test fails


@pytest.fixture
def three(make_cluster: Callable[..., Cluster], kafka: KafkaServer) -> Cluster:
    """Three started workers."""
    cluster = make_cluster(kafka)
    cluster.start()
    return cluster
