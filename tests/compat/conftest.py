"""A Java Kafka Connect worker with Debezium, shared by the tests here; each has its own connector and database.

And small Java programs: of single transforms, predicates and converters, and of serializers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Database
from tests.servers import connect, registry
from tests.servers.connect import ConnectWorker
from tests.servers.kafka import KafkaServer
from tests.servers.registry import Registry

from . import java_serdes as serdes
from . import java_stages as stages
from .java_serdes import JavaSerdes
from .java_stages import JavaStages
from .scene import Scene

COMMITTED = {"isolation.level": "read_committed"}
"""Positions of a transaction of Headwater's that was cut off must not count, see docs/connectors/postgres-source.md."""


@pytest.fixture(scope="session")
def java(kafka: KafkaServer) -> Iterator[ConnectWorker]:
    with connect.running(kafka.bootstrap, settings=COMMITTED) as worker:
        yield worker


@pytest.fixture(scope="session")
def java_stages() -> Iterator[JavaStages]:
    with stages.running() as running:
        yield running


@pytest.fixture(scope="session")
def java_converters() -> Iterator[JavaStages]:
    """With Apicurio's converters, too."""
    with stages.running([registry.converters()]) as running:
        yield running


@pytest.fixture(scope="session")
def java_serdes(registry: Registry) -> Iterator[JavaSerdes]:
    with serdes.running(registry) as running:
        yield running


@pytest.fixture
def make_scene(kafka: KafkaServer, java: ConnectWorker, tmp_path: Path) -> Iterator[Callable[[Database], Scene]]:
    made: list[Scene] = []

    def make(database: Database) -> Scene:
        made.append(Scene(kafka, java, database, tmp_path / str(len(made))))
        return made[-1]

    yield make
    for scene in made:
        scene.close()
