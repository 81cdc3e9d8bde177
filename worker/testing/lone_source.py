"""A source's task without a log: what would be durable there is kept in memory, and dies or stays as the test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import orjson

from headwater.worker.api import (
    Batch,
    DataError,
    Partition,
    Position,
    Record,
    Retriable,
    Source,
    SourceConnector,
    TaskContext,
)

from .driver import SourceDriver
from .planning import config_of, planned

__all__ = ["LoneSource"]

READ_S = 0.1
PATIENCE_S = 240.0
PAUSE_S = 0.05

Positions = list[tuple[Partition, Position | None]]


class LoneSource:
    """`records`: all that is durable. `bad`: records that the source reported, where `tolerant`."""

    def __init__(self, driver: SourceDriver, name: str, tolerant: bool = False) -> None:
        self._driver = driver
        self._plan, self._task_config = planned(config_of(name, driver.connector_class, driver.config(name)))
        self._name = name
        self._tolerant = tolerant
        self._stored: dict[bytes, bytes] = {}
        self._read: list[Batch] = []
        self._durable: Positions = []
        self._opened: list[Source] = []
        self._stopping = threading.Event()
        self._source: Source | None = None
        self.records: list[Record] = []
        self.bad: list[Record] = []

    def __enter__(self) -> LoneSource:
        return self

    def __exit__(self, *_: object) -> None:
        """Also what crashed lets go of what it holds, for the tests that come after."""
        self._stopping.set()
        for source in self._opened:
            source.close()

    @property
    def open_task(self) -> Source:
        assert self._source is not None, "the source is not open"
        return self._source

    def new_task(self) -> Source:
        connector = self._plan.connector
        assert isinstance(connector, SourceConnector), f"{type(connector).__name__} is no SourceConnector"
        self._source = connector.task()
        self._opened.append(self._source)
        return self._source

    def open(self) -> LoneSource:
        """A fresh instance goes on from what is durable. Waits while it is `Retriable`."""
        end = time.monotonic() + PATIENCE_S
        while not self.try_to_open():
            assert time.monotonic() < end, "the source cannot be opened"
            time.sleep(PAUSE_S)
        return self

    def try_to_open(self) -> bool:
        context = TaskContext(self._name, 0, self._plan.values, self._task_config, stopping=self._stopping)
        if self._tolerant:
            context.report_bad_record = self._report
        stored = [(orjson.loads(partition), orjson.loads(position)) for partition, position in self._stored.items()]
        source = self.new_task()
        try:
            source.open(context, stored)
        except Retriable:
            source.close()
            self._source = None
            return False
        return True

    def _report(self, record: Record, error: Exception) -> None:
        assert isinstance(error, DataError), f"a bad record is a DataError, not {error!r}"
        self.bad.append(record)

    def read(self) -> list[Record]:
        """One read; what it gives is neither durable nor acknowledged."""
        batch = self.open_task.read(READ_S)
        if batch is None:
            return []
        self._read.append(batch)
        return batch.records

    def commit(self) -> None:
        """What was read becomes durable, records and positions together."""
        for batch in self._read:
            self.records += batch.records
            for partition, position in batch.positions:
                key = orjson.dumps(dict(partition), option=orjson.OPT_SORT_KEYS)
                if position is None:
                    self._stored.pop(key, None)
                else:
                    self._stored[key] = orjson.dumps(dict(position))
            self._durable += batch.positions
        self._read = []

    def ack(self) -> None:
        durable, self._durable = self._durable, []
        self.open_task.ack(durable)

    def step(self) -> None:
        """As the runtime does it: read, make durable, acknowledge; a fresh instance after a `Retriable`."""
        try:
            if self._source is None and not self.try_to_open():
                time.sleep(PAUSE_S)
                return
            self.read()
            self.commit()
            self.ack()
        except Retriable:
            self.close()
            time.sleep(PAUSE_S)

    def numbers(self, records: Sequence[Record] | None = None) -> list[int]:
        """Of the rows that these records tell of; by default the durable ones."""
        found = map(self._driver.number, self.records if records is None else records)
        return [number for number in found if number is not None]

    def read_all(self, numbers: Sequence[int]) -> LoneSource:
        """Until the durable records tell of all these rows."""
        end = time.monotonic() + PATIENCE_S
        while missing := set(numbers) - set(self.numbers()):
            assert time.monotonic() < end, f"rows {sorted(missing)} were not read; durable are {self.numbers()}"
            self.step()
        return self

    def read_undurably(self, numbers: Sequence[int]) -> None:
        """Until all these rows were read, of which nothing becomes durable."""
        seen: set[int] = set()
        end = time.monotonic() + PATIENCE_S
        while missing := set(numbers) - seen:
            assert time.monotonic() < end, f"rows {sorted(missing)} were not read"
            seen.update(self.numbers(self.read()))
            self.ack_nothing()

    def ack_nothing(self) -> None:
        """As under back-pressure, to say that nothing has become durable meanwhile."""
        self.open_task.ack([])

    def crash(self) -> None:
        """What is not durable is gone; the source is not told, and what it holds stays held."""
        self._read, self._durable, self._source = [], [], None

    def close(self) -> None:
        """As the runtime does it after an error: what is not durable is gone."""
        self._read, self._durable = [], []
        source, self._source = self._source, None
        if source is not None:
            source.close()
