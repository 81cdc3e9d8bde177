"""`first` of a batch is `next` of the one before, over holes and barriers."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from headwater.worker.api import Fatal, TopicPartition
from headwater.worker.log import Log, Message, open_log
from headwater.worker.runtime.intake import Intake

TP = TopicPartition("orders", 0)


def filled(folder: Path, count: int) -> Log:
    log = open_log({}, folder)
    log.create_topic("orders", 1, {})
    producer = log.producer()
    producer.send(Message("orders", b"k", b"%d" % n) for n in range(count))
    producer.flush()
    return log


def intake(log: Log, start: int | None = 0) -> Intake:
    consumer = log.consumer("group")
    taken = Intake(log, consumer, "group")
    consumer.assign(taken.start_at({TP: start}))
    return taken


def read(taken: Intake) -> list[int]:
    """Everything, checking that nothing is left out between batches."""
    found: list[int] = []
    at = taken.position[TP]
    while True:
        messages, first, moved = taken.poll(0.05)
        if not moved:
            return found
        assert first == {TP: at}
        at = moved[TP]
        found += [m.offset for m in messages]
        assert all(first[TP] <= m.offset < at for m in messages)


def test_reads_on_from_what_the_view_holds(tmp_path: Path) -> None:
    log = filled(tmp_path, 10)
    assert read(intake(log, 7)) == [7, 8, 9]
    log.commit_offsets("group", {TP: 4})
    assert read(intake(log, None)) == [4, 5, 6, 7, 8, 9]
    log.close()


def test_a_view_that_was_emptied_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = filled(tmp_path, 10)
    log.commit_offsets("group", {TP: 4})
    for remembers, start in ((False, None), (True, 7), (True, None)):
        assert not caplog.records
        Intake(log, log.consumer("group"), "group", remembers).start_at({TP: start})
    assert "holds nothing of orders-0" in caplog.text and "begins at offset 4" in caplog.text
    log.close()


def test_a_view_ahead_of_the_log_is_an_error(tmp_path: Path) -> None:
    log = filled(tmp_path, 10)
    with pytest.raises(Fatal, match="log ends at 10"):
        intake(log, 11)
    log.close()


def test_records_that_were_deleted_unread_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = filled(tmp_path, 10)
    log.alter_topic("orders", {"retention.ms": "0"})
    eventually_gone = time.monotonic() + 240
    while log.begin_offsets([TP])[TP] < 10:
        log.maintain(1.0)
        assert time.monotonic() < eventually_gone
    producer = log.producer()
    producer.send([Message("orders", b"k", b"10")])
    producer.flush()
    log.alter_topic("orders", {"retention.ms": "-1"})
    assert read(intake(log, 7)) == [10]
    assert "orders-0: what stood at offsets 7 to 9 was deleted before this sink had read it" in caplog.text
    log.close()


def test_a_barrier_holds_exactly_there(tmp_path: Path) -> None:
    log = filled(tmp_path, 10)
    taken = intake(log)
    taken.limits = {TP: 4}
    assert read(taken) == [0, 1, 2, 3]
    assert taken.position == {TP: 4} and sum(taken.lags().values()) == 0
    taken.limits = {TP: 6}
    taken.hold()
    assert read(taken) == [4, 5]
    taken.limits = {}
    taken.hold()
    assert taken.lags() == {TP: 4}
    assert read(taken) == [6, 7, 8, 9]
    log.close()


def test_a_barrier_that_was_passed_stops_at_once(tmp_path: Path) -> None:
    log = filled(tmp_path, 10)
    taken = intake(log, 5)
    taken.limits = {TP: 2}
    taken.hold()
    assert read(taken) == []
    assert taken.position == {TP: 5}
    log.close()


def test_pause_and_barrier_together(tmp_path: Path) -> None:
    log = filled(tmp_path, 10)
    taken = intake(log)
    taken.paused = True
    taken.hold()
    assert read(taken) == []
    taken.limits = {TP: 3}
    taken.paused = False
    taken.hold()
    assert read(taken) == [0, 1, 2]
    log.close()


def test_what_is_assigned_during_a_pause_is_not_read(tmp_path: Path) -> None:
    log = filled(tmp_path, 10)
    taken = intake(log)
    taken.paused = True  # and nobody has told the consumer
    assert read(taken) == []
    assert taken.position == {TP: 0}
    taken.paused = False
    taken.hold()
    assert read(taken) == list(range(10))
    log.close()


def test_a_view_that_fell_back_from_the_barrier_goes_on_to_it(tmp_path: Path) -> None:
    """All was handed on up to the barrier, none of it became durable, and the sink was opened anew."""
    log = filled(tmp_path, 10)
    taken = intake(log, 2)
    taken.limits = {TP: 7}
    taken.hold()
    assert read(taken) == [2, 3, 4, 5, 6]
    taken.seek(taken.start_at({TP: 2}))
    assert read(taken) == [2, 3, 4, 5, 6]
    assert taken.at_barrier
    taken.limits = {}
    taken.hold()
    assert read(taken) == [7, 8, 9]
    log.close()
