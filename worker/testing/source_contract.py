"""What every source must do. Subclass `SourceContract` in a test file, and name the driver.

Most tests call the task as the runtime does, without a log around it; the last ones run it in a process on each log.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from headwater.worker.api import DataError, Fatal

from .contract import Contract, needs
from .driver import SourceDriver
from .leftovers import left_by
from .log_tasks import LogTasks
from .lone_source import LoneSource

__all__ = ["SourceContract"]

SOME, MORE, LAST = range(0, 10), range(10, 20), range(20, 30)


class SourceContract(Contract):
    def same(self, found: Sequence[int], put: Sequence[int]) -> None:
        """`found` is what was put, in its order and once each as far as the source promises that."""
        assert set(found) == set(put)
        if self.features.exactly_once:
            assert len(found) == len(put), f"some rows were read twice: {found}"
        if self.features.ordered:
            firsts = list(dict.fromkeys(found))
            assert firsts == list(put), "the rows were not read in their order"

    def test_the_driver_does_what_the_features_promise(self, driver: SourceDriver) -> None:
        assert hasattr(driver, "delete") or not self.features.deletes, "features.deletes: the driver needs `delete`"
        assert self.features.resumable, "a source that cannot go on where it was loses or doubles rows at each restart"

    def test_all_rows_are_read(self, driver: SourceDriver, name: str) -> None:
        driver.put(SOME)
        with LoneSource(driver, name) as source:
            source.open().read_all(SOME)
            driver.put(MORE)
            source.read_all(MORE)
            self.same(source.numbers(), [*SOME, *MORE])
            assert {record.topic for record in source.records if driver.number(record) is not None} == {
                driver.topic(name)
            }

    def test_what_was_not_acked_goes_on_from_what_is_durable(self, driver: SourceDriver, name: str) -> None:
        """Some rows are durable and acknowledged, some durable alone, some neither. The task dies."""
        driver.put(SOME)
        with LoneSource(driver, name) as source:
            source.open().read_all(SOME)
            driver.put(MORE)
            source.read_undurably(MORE)
            source.commit()
            driver.put(LAST)
            source.read_undurably(LAST)
            source.crash()
            source.open().read_all(LAST)
            self.same(source.numbers(), [*SOME, *MORE, *LAST])

    def test_what_was_never_durable_is_read_again(self, driver: SourceDriver, name: str) -> None:
        driver.put(SOME)
        with LoneSource(driver, name) as source:
            source.open().read_undurably(SOME)
            source.crash()
            source.open().read_all(SOME)
            self.same(source.numbers(), SOME)

    def test_a_task_that_was_closed_goes_on(self, driver: SourceDriver, name: str) -> None:
        with LoneSource(driver, name) as source:
            put: list[int] = []
            for numbers in (SOME, MORE, LAST):
                driver.put(numbers)
                put += numbers
                source.open().read_all(numbers)
                source.close()
            self.same(source.numbers(), put)

    def test_back_pressure(self, driver: SourceDriver, name: str) -> None:
        """The log takes nothing for a while: the task is not read, but acknowledged to."""
        driver.put(SOME)
        with LoneSource(driver, name) as source:
            source.open().read_all(SOME)
            driver.put(MORE)
            for _ in range(20):
                source.ack_nothing()
            driver.put(LAST)
            source.read_all([*MORE, *LAST])
            self.same(source.numbers(), [*SOME, *MORE, *LAST])

    @needs("delete")
    def test_a_delete_becomes_a_tombstone(self, driver: SourceDriver, name: str) -> None:
        driver.put(SOME)
        with LoneSource(driver, name) as source:
            source.open().read_all(SOME)
            [key] = [record.key for record in source.records if driver.number(record) == SOME[3]]
            driver.delete(SOME[3])  # type: ignore[attr-defined]
            driver.put(MORE)
            source.read_all(MORE)
            assert [record.key for record in source.records if record.value is None] == [key]

    @needs("spoil")
    def test_a_bad_row_is_reported_and_passed_by(self, driver: SourceDriver, name: str) -> None:
        driver.put(SOME)
        driver.spoil()  # type: ignore[attr-defined]
        driver.put(MORE)
        with LoneSource(driver, name, tolerant=True) as source:
            source.open().read_all([*SOME, *MORE])
            self.same(source.numbers(), [*SOME, *MORE])
            assert len(source.bad) == 1

    @needs("spoil")
    def test_a_bad_row_that_is_not_tolerated_is_an_error(self, driver: SourceDriver, name: str) -> None:
        driver.put(SOME)
        with LoneSource(driver, name) as source:
            source.open().read_all(SOME)
            driver.spoil()  # type: ignore[attr-defined]
            with pytest.raises((DataError, Fatal)):
                source.read_all(MORE)

    @needs("cut", "mend")
    def test_the_other_side_goes_away_and_comes_back(self, driver: SourceDriver, name: str) -> None:
        """Nothing but `Retriable` is raised meanwhile."""
        driver.put(SOME)
        with LoneSource(driver, name) as source:
            source.open().read_all(SOME)
            driver.cut()  # type: ignore[attr-defined]
            for _ in range(5):
                source.step()
            source.close()  # also without an error: a new task begins while the other side is away
            for _ in range(5):
                source.step()
            driver.mend()  # type: ignore[attr-defined]
            driver.put(MORE)
            source.read_all(MORE)
            self.same(source.numbers(), [*SOME, *MORE])

    def test_close_twice_and_without_open(self, driver: SourceDriver, name: str) -> None:
        with LoneSource(driver, name) as source:
            source.new_task().close()
            driver.put(SOME)
            source.open().read_all(SOME)
            task = source.open_task
            task.close()
            task.close()

    def test_nothing_is_left_open(self, driver: SourceDriver, name: str) -> None:
        """No thread, file, socket or process."""
        with LoneSource(driver, name) as source:
            coming = iter((SOME, MORE))

            def work() -> None:
                numbers = next(coming)
                driver.put(numbers)
                source.open().read_all(numbers)
                source.close()

            assert left_by(work) == []

    def test_a_killed_process_loses_nothing(self, driver: SourceDriver, name: str, tasks: LogTasks) -> None:
        topic = driver.topic(name)

        def numbers() -> list[int]:
            found = map(driver.number, tasks.records(name, topic))
            return [number for number in found if number is not None]

        driver.put(SOME)
        tasks.run_source(driver, name)
        tasks.until(lambda: set(numbers()) >= set(SOME))
        tasks.kill(name)
        driver.put(MORE)
        tasks.until(lambda: set(numbers()) >= set(MORE))
        tasks.stop(name)
        driver.put(LAST)
        tasks.run_source(driver, name)
        tasks.until(lambda: set(numbers()) >= set(LAST))
        tasks.stop(name)
        found = numbers()
        assert set(found) == {*SOME, *MORE, *LAST}
        if self.features.exactly_once:
            assert len(found) == len(set(found)), f"some rows are on the log twice: {sorted(found)}"
