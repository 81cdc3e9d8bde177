"""Drivers that are closed when the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Database
from tests.servers.postgres import PostgresServer

from .driver import Driver

MakeDriver = Callable[..., Driver]


@pytest.fixture
def make_driver() -> Iterator[MakeDriver]:
    drivers: list[Driver] = []

    def make(database: Database, **options: str) -> Driver:
        drivers.append(Driver(database, **options))
        return drivers[-1]

    yield make
    for driver in drivers:
        driver.close()


@pytest.fixture
def any_database(any_pg: PostgresServer, make_database: Callable[[PostgresServer], Database]) -> Database:
    """A fresh database on each of the two major versions."""
    return make_database(any_pg)
