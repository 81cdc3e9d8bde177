"""The broker dies and comes back: what is asked of all connectors at once, for a broker takes its time."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from headwater.worker.api import HeadwaterError
from headwater.worker.config.plugins import installed

from .driver import Row, SinkDriver, SourceDriver
from .log_tasks import LogTasks, kafka_settings

__all__ = ["Broker", "outlive_a_restart"]

SOME, MORE = range(0, 10), range(10, 20)
IMPATIENT = {
    "producer.delivery.timeout.ms": "5000",
    "producer.max.block.ms": "8000",
    "consumer.session.timeout.ms": "6000",
}
"""Shorter than the defaults: the broker is away for seconds."""


class Broker(Protocol):
    """A Kafka broker of the test's own; address and data outlive `kill`."""

    @property
    def bootstrap(self) -> str: ...

    def kill(self) -> None: ...

    def start(self) -> object: ...


def outlive_a_restart(
    broker: Broker, sources: Sequence[SourceDriver], sinks: Sequence[SinkDriver], folder: Path
) -> None:
    """All tasks run, the broker is killed while there is work, and started: nothing is lost, and nothing doubled by a
    connector that promises so. Raises `AssertionError`."""
    run = f"r{secrets.token_hex(4)}"
    tasks = LogTasks({**kafka_settings(broker.bootstrap, run), **IMPATIENT}, folder / "data")
    try:
        named_sources = {f"{run}source{number}": driver for number, driver in enumerate(sources)}
        named_sinks = {f"{run}sink{number}": driver for number, driver in enumerate(sinks)}
        for name, source in named_sources.items():
            source.put(SOME)
            tasks.run_source(source, name)
        for name, sink in named_sinks.items():
            tasks.make_topic(name)
            tasks.run_sink(sink, name, name, "view")
            tasks.append(name, name, _rows(SOME))
        for name, source in named_sources.items():
            _until_read(tasks, source, name, [*SOME])
        for name, sink in named_sinks.items():
            _until_shown(tasks, sink, name, [*SOME])
        broker.kill()
        for source in sources:
            source.put(MORE)
        broker.start()
        for name in named_sinks:
            tasks.until(partial(_appended, tasks, name))
        for name, source in named_sources.items():
            _until_read(tasks, source, name, [*SOME, *MORE])
        for name, sink in named_sinks.items():
            _until_shown(tasks, sink, name, [*SOME, *MORE])
    finally:
        tasks.close()


def _rows(numbers: Sequence[int]) -> list[Row]:
    return [Row(number, f"row {number}") for number in numbers]


def _appended(tasks: LogTasks, name: str) -> bool:
    """A producer that begins while the broker does may be refused. What it sends again may then be there twice."""
    try:
        tasks.append(name, name, _rows(MORE))
    except HeadwaterError:
        return False
    return True


def _until_read(tasks: LogTasks, driver: SourceDriver, name: str, numbers: list[int]) -> None:
    def read() -> list[int]:
        found = map(driver.number, tasks.records(name, driver.topic(name)))
        return sorted(number for number in found if number is not None)

    tasks.until(lambda: set(read()) >= set(numbers))
    exactly = installed().connector(driver.connector_class).features.exactly_once
    found = read()
    assert (found if exactly else sorted(set(found))) == numbers


def _until_shown(tasks: LogTasks, driver: SinkDriver, name: str, numbers: list[int]) -> None:
    wanted = set(_rows(numbers))
    tasks.until(lambda: set(driver.rows("view")) >= wanted and tasks.read_to_the_end(name, name))
    found = driver.rows("view")
    assert set(found) == wanted
    if not driver.appends:
        assert len(found) == len(wanted), f"some rows are there twice: {sorted(found)}"
    elif installed().connector(driver.connector_class).features.exactly_once:
        tasks.until(lambda: len(driver.rows("view")) == len(tasks.messages(name)))  # one row for each record
