from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import httpx
import pytest

from headwater.worker.cli.main import main
from headwater.worker.cluster.standalone import Standalone
from tests.rest_worker import client, worker

from .scene import Connector

__all__ = ["client", "worker"]

_names = itertools.count(1)


@pytest.fixture
def connector(worker: Standalone, client: httpx.Client) -> Iterator[Connector]:
    """Not made yet; deleted when the test ends."""
    connector = Connector(worker, client, f"poison-{next(_names)}")
    yield connector
    connector.delete()


@pytest.fixture
def headwater(worker: Standalone, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """A command against the worker: its status, and what it prints."""

    def call(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        return main([*arguments, "--url", f"http://{worker.worker_id}"]), capsys.readouterr().out

    return call
