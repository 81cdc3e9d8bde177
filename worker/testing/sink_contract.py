"""What every sink must do. Subclass `SinkContract` in a test file, and name the driver.

Most tests call the task as the runtime does, without a log around it; the last ones run it in a process on each log.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress

import pytest

from headwater.worker.api import Fatal, Retriable
from headwater.worker.log import Message

from .contract import Contract, needs
from .driver import Row, SinkDriver, latest, record_of
from .leftovers import left_by
from .log_tasks import LogTasks
from .lone_sink import LoneSink, MemoryLog

__all__ = ["SinkContract"]

VIEW, REPLAYED = "view", "replayed"
FIRST = [Row(number, f"first {number}") for number in range(6)]
"""Changed, deleted and made again by the next ones."""
SECOND = [Row(2, "second 2"), Row(3, None), Row(6, "second 6"), Row(1, "second 1"), Row(1, "third 1")]
THIRD = [Row(3, "third 3"), Row(4, None), Row(7, "third 7")]


class SinkContract(Contract):
    @pytest.fixture
    def log(self, name: str) -> MemoryLog:
        return MemoryLog(name)

    def shows(self, driver: SinkDriver, rows: Sequence[Row], target: str = VIEW) -> bool:
        return self._seen(driver, target) == self._wanted(driver, rows)

    def check(self, driver: SinkDriver, rows: Sequence[Row], target: str = VIEW) -> None:
        """The view holds what these rows of the log, in this order, make of it."""
        assert self._seen(driver, target) == self._wanted(driver, rows)

    def _seen(self, driver: SinkDriver, target: str) -> list[Row]:
        found = driver.rows(target)
        return sorted(set(found) if self._doubles(driver) else found)

    def _wanted(self, driver: SinkDriver, rows: Sequence[Row]) -> list[Row]:
        if not driver.appends:
            return latest(rows, self.features.deletes)
        there = [row for row in rows if row.text is not None]
        return sorted(set(there) if self._doubles(driver) else there)

    def _doubles(self, driver: SinkDriver) -> bool:
        """May a row for each record be there twice?"""
        return driver.appends and not self.features.exactly_once

    def test_rows_are_in_the_view_once_flushed(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        with LoneSink(driver, name, log) as sink:
            sink.open()
            for rows in (FIRST, SECOND, THIRD):
                log.append(*rows)
                sink.put()
                self.check(driver, log.appended)

    def test_a_replay_from_zero_gives_the_same_view(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        """One view follows the log piece by piece, by several tasks; the other one reads it in one go."""
        for rows in (FIRST, SECOND, THIRD):
            log.append(*rows)
            with LoneSink(driver, name, log) as sink:
                sink.open()
                sink.put()
        with LoneSink(driver, f"{name}o", log, REPLAYED) as sink:
            sink.open()
            sink.put()
        self.check(driver, log.appended)
        assert self._seen(driver, REPLAYED) == self._seen(driver, VIEW)

    def test_tombstones_alone(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        """The first that a view hears of a row is that it is gone; then of all others."""
        log.append(Row(0, None), Row(1, None))
        with LoneSink(driver, name, log) as sink:
            sink.open()
            sink.put()
            log.append(*FIRST)
            sink.put()
            log.append(*(Row(row.id, None) for row in FIRST))
            sink.put()
            self.check(driver, log.appended)

    def test_offsets_without_records_count(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        log.add_holes()
        with LoneSink(driver, name, log) as sink:
            sink.open()
            sink.put()
            log.append(*FIRST)
            log.add_holes()
            sink.put()
            log.add_holes()
            sink.put()
            log.append(*SECOND)
            sink.put()
            self.check(driver, log.appended)

    def test_what_was_not_flushed_is_not_committed(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        """The task dies between write and flush; the next one is given the same records again."""
        with LoneSink(driver, name, log) as sink:
            log.append(*FIRST)
            sink.open()
            sink.put()
            for end in (sink.crash, sink.close):
                log.append(*SECOND)
                sink.write()
                written = dict(sink.at)
                end()
                for tp, held in sink.open().items():  # a sink may flush by itself, as far as it was given records
                    assert held is None or sink.committed[tp] <= held <= written[tp]
            log.append(*THIRD)
            sink.put()
            self.check(driver, log.appended)

    def test_a_flush_whose_answer_got_lost(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        """The view is ahead of the consumer group. A view that promises exactly once knows that."""
        with LoneSink(driver, name, log) as sink:
            reached = dict.fromkeys(log.partitions, 0)
            for rows in (FIRST, SECOND, THIRD):
                log.append(*rows)
                held = {tp: offset or 0 for tp, offset in sink.open().items()}
                if self.features.exactly_once:
                    assert held == reached
                sink.write()
                sink.flush(answered=False)
                reached = dict(sink.at)
                sink.crash()
            self.check(driver, log.appended)

    def test_back_pressure(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        """Many batches before a flush is asked for."""
        rows = [Row(number % 10, f"change {number}") for number in range(200)]
        log.append(*rows)
        with LoneSink(driver, name, log) as sink:
            sink.open()
            while sink.write(most=3):
                continue
            sink.flush()
            self.check(driver, rows)

    def test_partitions_come_and_go(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        one, two = log.partitions
        with LoneSink(driver, name, log) as sink:
            log.append(*FIRST)
            sink.open([one])
            sink.put()
            sink.close()
            sink.open([two, one])
            sink.put()
            sink.give_up(one)
            log.append(*SECOND)
            sink.put()
            sink.close()
            sink.open()
            sink.put()
            self.check(driver, log.appended)

    def test_a_task_that_was_replaced_changes_nothing(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        """Asked of views that promise exactly once."""
        with LoneSink(driver, name, log) as zombie, LoneSink(driver, name, log) as successor:
            log.append(*FIRST)
            zombie.open()
            zombie.put()
            log.append(*SECOND)
            zombie.write()
            successor.open()
            successor.put()
            if self.features.exactly_once:
                with pytest.raises(Fatal):
                    zombie.flush(answered=False)
            self.check(driver, log.appended)
            log.append(*THIRD)
            successor.put()
            self.check(driver, log.appended)

    def test_another_topic_of_that_name(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        """The topic was deleted and made again: a view that holds offsets holds another topic's."""
        log.append(*FIRST)
        with LoneSink(driver, name, log) as sink:
            sink.open()
            sink.put()
            sink.close()
            log.topic_id = "id-2"
            if self.features.exactly_once:
                with pytest.raises(Fatal):
                    sink.open()

    def test_a_generation_built_beside_holds_the_same(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        """Asked of views that promise generations: built from offset zero, compared, swapped in; the old one goes."""
        if not self.features.generations:
            return
        with LoneSink(driver, name, log) as live, LoneSink(driver, name, log, generation=2) as new:
            live.open()
            for rows in (FIRST, SECOND, THIRD):
                log.append(*rows)
                live.put()
            with closing(live.generations()) as generations:
                for _ in range(2):  # after a crash it is called again
                    generations.create(2, {name: record_of(name, FIRST[0]).replace(origin=name)})
                assert all(not held for held in new.open().values()), "a new generation holds nothing"
                new.put()
                generations.finish_load(2)
                old, made = generations.pin(1), generations.pin(2)
                assert old.fingerprint() == made.fingerprint()
                assert old.offsets == made.offsets == live.at
                old.close()
                made.close()
                self.check(driver, log.appended)
                generations.promote(2, 1)
                self.check(driver, log.appended)
                live.close()
                generations.drop(1)
                log.append(*FIRST)
                new.put()
                self.check(driver, log.appended)
                assert [(g.number, g.current) for g in generations.list()] == [(2, True)]

    def test_dead_letters_are_given_once_more(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        """Between two batches, and after later ones; each lies in the view once where that is promised."""
        log.append(*FIRST)
        early, late = log.hold_back(Row(8, "early 8")), log.hold_back(Row(10, "late 10"))
        with LoneSink(driver, name, log) as sink:
            sink.open()
            sink.put()
            self.check(driver, FIRST)
            sink.give_again(early)
            sink.flush()
            self.check(driver, [*FIRST, Row(8, "early 8")])
            log.append(*SECOND)
            sink.put()
            sink.close()
            sink.open()
            sink.give_again(late)
            sink.flush(answered=False)
            sink.crash()
            sink.open()
            if self.features.exactly_once:
                assert sink.dealt_with(late) == 2
            log.append(*THIRD)
            sink.put()
            self.check(driver, log.appended)

    def test_a_dead_letter_of_a_task_that_was_replaced(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        """Asked of views of rows that promise exactly once: the successor reads on, and has yet to look at letters."""
        if driver.appends or not self.features.exactly_once:
            return
        log.append(*FIRST)
        early = log.hold_back(Row(8, "early 8"))
        with LoneSink(driver, name, log) as zombie, LoneSink(driver, name, log) as successor:
            zombie.open()
            zombie.put()
            zombie.give_again(early)
            log.append(Row(8, "later 8"))
            successor.open()
            successor.put()
            with suppress(Fatal):  # versions may see to it instead
                zombie.flush(answered=False)
            self.check(driver, log.appended)

    @needs("bad_record")
    def test_a_bad_record_is_reported_and_passed_by(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        log.append(*FIRST)
        log.add(driver.bad_record(record_of(name, Row(8, "bad"))), 8)  # type: ignore[attr-defined]
        log.append(*SECOND)
        with LoneSink(driver, name, log) as sink:
            sink.open()
            sink.put()
            self.check(driver, log.appended)
            assert [(record.partition, record.offset) for record in sink.bad] == [(0, 3)]

    @needs("bad_record")
    def test_a_bad_record_that_is_not_tolerated(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        """What was flushed before stays; nothing after it is committed."""
        with LoneSink(driver, name, log, tolerant=False) as sink:
            log.append(*FIRST)
            sink.open()
            sink.put()
            log.add(driver.bad_record(record_of(name, Row(8, "bad"))), 8)  # type: ignore[attr-defined]
            log.append(*SECOND)
            with pytest.raises(Fatal):
                sink.put()
            sink.close()
            assert all(held in (None, sink.committed[tp]) for tp, held in sink.open().items())
            self.check(driver, FIRST)

    @needs("cut", "mend")
    def test_the_other_side_goes_away_and_comes_back(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        """Nothing is lost."""
        with LoneSink(driver, name, log) as sink:
            log.append(*FIRST)
            sink.open()
            sink.put()
            log.append(*SECOND)
            driver.cut()  # type: ignore[attr-defined]
            with pytest.raises((Retriable, Fatal)):
                sink.put()
                sink.close()  # it had the other side open still
                sink.open()
                log.append(*FIRST)
                sink.put()
            sink.close()
            driver.mend()  # type: ignore[attr-defined]
            sink.open()
            log.append(*THIRD)
            sink.put()
            self.check(driver, log.appended)

    def test_close_twice_and_without_open(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        log.append(*FIRST)
        with LoneSink(driver, name, log) as sink:
            sink.new_task().close()
            sink.open()
            sink.put()
            sink.sink.close()
            sink.sink.close()

    def test_nothing_is_left_open(self, driver: SinkDriver, name: str, log: MemoryLog) -> None:
        """No thread, file, socket or process."""

        def work() -> None:
            log.append(*FIRST, *SECOND)
            with LoneSink(driver, name, log) as sink:
                sink.open()
                sink.put()
                log.append(*THIRD)
                sink.write()
                sink.close()

        assert left_by(work) == []

    def test_a_killed_process_loses_nothing_and_a_replay_gives_the_same(
        self, driver: SinkDriver, name: str, tasks: LogTasks
    ) -> None:
        """What cannot be decoded is in the dead letter queue, with everything around it in the view. Another view then
        reads the log from offset zero, in one go."""
        topic, letters, other = f"{name}t", f"{name}d", f"{name}o"
        tolerant = {
            "errors_tolerance": "all",
            "errors_deadletterqueue_topic_name": letters,
            "errors_deadletterqueue_topic_replication_factor": "1",
        }
        tasks.make_topic(topic)
        tasks.run_sink(driver, name, topic, VIEW, **tolerant)
        tasks.append(name, topic, FIRST)
        tasks.until(lambda: self.shows(driver, FIRST))
        tasks.kill(name)
        tasks.append_raw(Message(topic, b"{not json", b"{not json"))
        tasks.append(name, topic, SECOND)
        tasks.until(lambda: self.shows(driver, [*FIRST, *SECOND]))
        tasks.stop(name)
        tasks.append(name, topic, THIRD)
        tasks.run_sink(driver, name, topic, VIEW, **tolerant)
        tasks.run_sink(driver, other, topic, REPLAYED, **tolerant)
        tasks.until(lambda: self.shows(driver, [*FIRST, *SECOND, *THIRD]))
        tasks.until(lambda: self.shows(driver, [*FIRST, *SECOND, *THIRD], REPLAYED))
        tasks.until(lambda: tasks.read_to_the_end(name, topic) and tasks.read_to_the_end(other, topic))
        assert {message.value for message in tasks.messages(letters)} == {b"{not json"}

    def test_mended_dead_letters_reach_the_view(self, driver: SinkDriver, name: str, tasks: LogTasks) -> None:
        """Everything fails in a transform, which is then taken away."""
        topic, letters = f"{name}t", f"{name}d"
        options = {
            "errors_tolerance": "all",
            "errors_deadletterqueue_topic_name": letters,
            "errors_deadletterqueue_topic_replication_factor": "1",
        }
        failing = {"transforms": "wrong", "transforms_wrong_type": "ValueToKey", "transforms_wrong_fields": "nothing"}
        tasks.make_topic(topic)
        tasks.run_sink(driver, name, topic, VIEW, **options, **failing)
        tasks.append(name, topic, FIRST)
        tasks.until(lambda: len(tasks.messages(letters)) == len(FIRST))
        tasks.until(lambda: tasks.read_to_the_end(name, topic))
        tasks.stop(name)
        assert driver.rows(VIEW) == []
        tasks.run_sink(driver, name, topic, VIEW, **options)
        tasks.replay(name, letters)
        tasks.until(lambda: self.shows(driver, FIRST))
        tasks.append(name, topic, SECOND)
        tasks.until(lambda: self.shows(driver, [*FIRST, *SECOND]))
        tasks.replay(name, letters)
        tasks.append(name, topic, THIRD)
        tasks.until(lambda: self.shows(driver, [*FIRST, *SECOND, *THIRD]))
        assert len(tasks.messages(letters)) == len(FIRST)

    @needs("cut", "mend")
    def test_a_failed_flush_moves_no_offset(self, driver: SinkDriver, name: str, tasks: LogTasks) -> None:
        topic = f"{name}t"
        tasks.make_topic(topic)
        tasks.run_sink(driver, name, topic, VIEW)
        tasks.append(name, topic, FIRST)
        tasks.until(lambda: self.shows(driver, FIRST))
        tasks.until(lambda: tasks.read_to_the_end(name, topic))
        tasks.stop(name)
        stood = tasks.committed(name, topic)
        driver.cut()  # type: ignore[attr-defined]
        tasks.append(name, topic, SECOND)
        tasks.run_sink(driver, name, topic, VIEW)
        tasks.until(lambda: tasks.failing(name))
        assert tasks.committed(name, topic) == stood
        driver.mend()  # type: ignore[attr-defined]
        tasks.until(lambda: self.shows(driver, [*FIRST, *SECOND]))
        tasks.until(lambda: tasks.read_to_the_end(name, topic))
