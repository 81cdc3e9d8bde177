from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.servers import kafka_security
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


@pytest.fixture(params=["18", "15", "18 kafka"])
def each_shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """The shop on both major versions, and on both logs."""
    major, _, log = request.param.partition(" ")
    with _shop(request.getfixturevalue(f"guarded_{major}"), tmp_path, log) as shop:
        yield shop


@pytest.fixture(params=["embedded", "kafka"])
def shop(request: pytest.FixtureRequest, guarded_18: PostgresServer, tmp_path: Path) -> Iterator[Shop]:
    with _shop(guarded_18, tmp_path, request.param) as shop:
        yield shop


@contextmanager
def _shop(server: PostgresServer, folder: Path, log: str) -> Iterator[Shop]:
    """A broker serves one shop: the names of topics and groups are the guide's."""
    with ExitStack() as stack:
        kafka = stack.enter_context(kafka_security.running(RIGHTS)) if log == "kafka" else None
        yield stack.enter_context(closing(Shop(server, folder, kafka)))
