from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.postgres import PostgresServer, running

from .shop import Shop


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


@pytest.fixture(params=[18, 15])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """The shop on both major versions."""
    yield from _shop(request.getfixturevalue(f"guarded_{request.param}"), tmp_path)


@pytest.fixture
def shop(guarded_18: PostgresServer, tmp_path: Path) -> Iterator[Shop]:
    yield from _shop(guarded_18, tmp_path)


def _shop(server: PostgresServer, folder: Path) -> Iterator[Shop]:
    shop = Shop(server, folder)
    try:
        yield shop
    finally:
        shop.close()
