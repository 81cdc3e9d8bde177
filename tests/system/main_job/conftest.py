from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.servers import kafka_security
from tests.servers.kafka_security import GuardedKafka
from tests.servers.postgres import PostgresServer, running

from .shop import RIGHTS, Shop


def _guarded(major: int) -> Iterator[PostgresServer]:
    """A server that nobody enters without a password."""
    with running(major, password=secrets.token_urlsafe(12)) as server:
        yield server


@pytest.fixture(scope="package")
def guarded_18() -> Iterator[PostgresServer]:
    yield from _guarded(18)


@pytest.fixture(scope="package")
def guarded_15() -> Iterator[PostgresServer]:
    yield from _guarded(15)


@pytest.fixture(scope="package")
def guarded_kafka() -> Iterator[GuardedKafka]:
    """A broker that asks for a password and gives its user the rights of docs/kafka.md, no more."""
    with kafka_security.running(RIGHTS) as kafka:
        yield kafka


@pytest.fixture(params=["18", "15", "18 kafka"])
def each_shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """The shop on both major versions, and on both logs."""
    major, _, log = request.param.partition(" ")
    with _shop(request, f"guarded_{major}", log or "embedded", tmp_path) as shop:
        yield shop


@pytest.fixture(params=["embedded", "kafka"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    with _shop(request, "guarded_18", request.param, tmp_path) as shop:
        yield shop


@contextmanager
def _shop(request: pytest.FixtureRequest, server: str, log: str, folder: Path) -> Iterator[Shop]:
    """The names of topics and groups are the guide's, so the broker serves one shop after the other."""
    kafka = request.getfixturevalue("guarded_kafka") if log == "kafka" else None
    with ExitStack() as stack:
        if kafka is not None:
            stack.callback(kafka.wipe)
        yield stack.enter_context(closing(Shop(request.getfixturevalue(server), folder, kafka)))
