"""What the suites of sources and sinks share: where the driver comes from, on which logs, which tests apply."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from headwater.worker.api import Features
from headwater.worker.config.plugins import installed

from .log_tasks import LogTasks, kafka_settings

__all__ = ["Contract", "needs"]

T = TypeVar("T", bound=Callable[..., None])


def needs(*methods: str) -> Callable[[T], T]:
    """The test is there where the driver has all of these."""

    def mark(test: T) -> T:
        test.needs = methods  # type: ignore[attr-defined]
        return test

    return mark


class Contract:
    """`driver_type` is made with a fresh folder; where it needs more, override the fixture `driver`.

    `logs`: "embedded" needs nothing; for "kafka" there has to be a fixture `kafka_bootstrap`, host:port of a broker.
    """

    driver_type: ClassVar[type[Any]]
    logs: ClassVar[tuple[str, ...]] = ("embedded",)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        driver = getattr(cls, "driver_type", None)
        if driver is None:
            return
        for name, test in inspect.getmembers(cls, inspect.isfunction):
            if not all(hasattr(driver, method) for method in getattr(test, "needs", ())):
                setattr(cls, name, None)  # not collected: a test that can never run is not a test that was skipped

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "log_name" in metafunc.fixturenames:
            metafunc.parametrize("log_name", self.logs)

    @pytest.fixture
    def driver(self, tmp_path: Path) -> Any:
        return self.driver_type(tmp_path)

    @pytest.fixture
    def name(self) -> str:
        """Of the connector, and all that it makes."""
        return f"c{secrets.token_hex(4)}"

    @pytest.fixture
    def tasks(self, log_name: str, name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LogTasks]:
        """Real task processes on a log."""
        settings = {} if log_name == "embedded" else kafka_settings(request.getfixturevalue("kafka_bootstrap"), name)
        running = LogTasks(settings, tmp_path / "data")
        yield running
        running.close()

    @property
    def features(self) -> Features:
        return installed().connector(self.driver_type.connector_class).features
