"""Real servers for the tests: started once a session, a fresh database for each test."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import psycopg
import pytest
from hypothesis import settings

from tests.servers import elasticsearch as search_servers
from tests.servers import kafka as kafka_servers
from tests.servers import moto as moto_servers
from tests.servers import registry as registry_servers
from tests.servers import s3 as s3_servers
from tests.servers.elasticsearch import SearchServer
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer, running
from tests.servers.registry import Registry
from tests.servers.s3 import S3Server

settings.register_profile("default", deadline=None, max_examples=100, print_blob=True)
settings.load_profile("default")

_numbers = itertools.count(1)

_QUICK_UPKEEP = {
    "log.cleaner.backoff.ms": "200",
    "log.retention.check.interval.ms": "500",
    "log.initial.task.delay.ms": "200",
    "log.segment.delete.delay.ms": "1000",
}
"""A shared broker looks for old records and old segments several times a second."""

SERVERS = {"kafka", "kafka41", "s3", "moto", "versitygw", "elasticsearch", "opensearch", "registry", "tasks"}
"""Fixtures that start what `make test-fast` does without; parameters that are their names count as well."""


def pytest_unconfigure(config: pytest.Config) -> None:
    """Tells once more what failed, a line each, last of all: the message of one failure may be thousands of lines."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    for report in [*reporter.stats.get("failed", ()), *reporter.stats.get("error", ())] if reporter else ():
        why = getattr(getattr(report.longrepr, "reprcrash", None), "message", "").partition("\n")[0]
        reporter.write_line(f"not passed: {report.nodeid} ({report.when}): {why[:300]}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives the mark `servers` before `-m` looks at marks."""
    for item in items:
        parameters = getattr(item, "callspec", None)
        used = {*getattr(item, "fixturenames", ()), *map(str, parameters.params.values() if parameters else ())}
        if used & SERVERS:
            item.add_marker("servers")


class Database(NamedTuple):
    """A fresh database on a running server."""

    server: PostgresServer
    name: str

    @property
    def dsn(self) -> str:
        return self.server.dsn(self.name)

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return self.server.connect(self.name)


@pytest.fixture(scope="session")
def pg() -> Iterator[PostgresServer]:
    """PostgreSQL 18 with wal_level=logical."""
    with running(18) as server:
        yield server


@pytest.fixture(scope="session")
def pg15() -> Iterator[PostgresServer]:
    """The other major version, Debian's PostgreSQL 15; its absence is an error that says what to install."""
    with running(15) as server:
        yield server


@pytest.fixture(params=[18, 15])
def any_pg(request: pytest.FixtureRequest) -> PostgresServer:
    """Runs the test on both major versions."""
    server: PostgresServer = request.getfixturevalue("pg" if request.param == 18 else "pg15")
    return server


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    """An Apache Kafka 4.3 broker; tests share it and use names of their own. Who kills brokers starts one."""
    with kafka_servers.running("4.3", settings=_QUICK_UPKEEP) as server:
        yield server


@pytest.fixture(scope="session")
def kafka41() -> Iterator[KafkaServer]:
    """The other broker version."""
    with kafka_servers.running("4.1", settings=_QUICK_UPKEEP) as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 service; tests share it and use buckets of their own. Who kills one starts one."""
    with s3_servers.running() as server:
        yield server


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Another implementation of S3, which has queues as well: `moto_server`. Its URL."""
    with moto_servers.running(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    """A schema registry; tests share it and use subjects of their own. Who stops or freezes one starts one."""
    with registry_servers.running() as server:
        yield server


@pytest.fixture(scope="session")
def elasticsearch() -> Iterator[SearchServer]:
    """An Elasticsearch node; tests share it and use names of their own. Who kills one starts one."""
    with search_servers.running("elasticsearch") as server:
        yield server


@pytest.fixture(scope="session")
def opensearch() -> Iterator[SearchServer]:
    """The other server that speaks much the same."""
    with search_servers.running("opensearch") as server:
        yield server


@pytest.fixture(params=["elasticsearch", "opensearch"])
def search(request: pytest.FixtureRequest) -> SearchServer:
    """Runs the test on both."""
    server: SearchServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def bucket(s3: S3Server) -> Iterator[str]:
    """The name of a fresh bucket; deleted with all that it holds when the test ends."""
    name = f"t{os.getpid()}-{next(_numbers)}"
    s3.create_bucket(name)
    yield name
    s3.delete_bucket(name)


@pytest.fixture
def make_database() -> Iterator[Callable[[PostgresServer], Database]]:
    """Makes fresh databases; dropped, with their slots, when the test ends."""
    made: list[Database] = []

    def make(server: PostgresServer) -> Database:
        name = f"t{os.getpid()}_{next(_numbers)}"
        server.create_database(name)
        made.append(Database(server, name))
        return made[-1]

    yield make
    for database in made:
        database.server.drop_database(database.name)


@pytest.fixture
def database(pg: PostgresServer, make_database: Callable[[PostgresServer], Database]) -> Database:
    """A fresh database on PostgreSQL 18."""
    return make_database(pg)
