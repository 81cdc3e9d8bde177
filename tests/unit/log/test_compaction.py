"""Compaction and retention against a clock of our own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.worker.api import TopicPartition
from headwater.worker.log import Message, open_log
from headwater.worker.log.contract import Log
from headwater.worker.log.embedded_maintenance import Maintenance
from headwater.worker.log.embedded_store import Store

DAY_MS = 86_400_000
START_MS = 1_700_000_000_000
WHERE = TopicPartition("t", 0)


class Yard:
    """A log with one topic, and its maintenance under a clock that stands still until it is moved."""

    def __init__(self, folder: Path, **config: str) -> None:
        self.path = folder / "log.db"
        self.now_ms = START_MS
        self.log: Log = open_log({}, folder)
        self.log.create_topic("t", 1, config)
        self.maintenance = self.make_maintenance()
        self.producer = self.log.producer()

    def make_maintenance(self) -> Maintenance:
        return Maintenance(self.path, lambda: self.now_ms, look_every_s=0.0)

    def write(self, *records: tuple[bytes | None, bytes | None], timestamp_ms: int | None = None) -> None:
        when = self.now_ms if timestamp_ms is None else timestamp_ms
        self.producer.send(Message("t", key, value, timestamp_ms=when) for key, value in records)
        self.producer.flush()

    def keep_up(self) -> None:
        while self.maintenance.run(10.0):
            pass

    def records(self) -> dict[int, tuple[bytes | None, bytes | None]]:
        consumer = self.log.consumer()
        consumer.assign(self.log.begin_offsets([WHERE]))
        found = {}
        while consumer.position()[WHERE] < self.log.end_offsets([WHERE])[WHERE]:
            found.update({m.offset: (m.key, m.value) for m in consumer.poll(1000, 0.0)})
        consumer.close()
        return found

    def close(self) -> None:
        self.maintenance.close()
        self.producer.close()
        self.log.close()


@contextmanager
def yard(**config: str) -> Iterator[Yard]:
    with tempfile.TemporaryDirectory() as folder:
        made = Yard(Path(folder), **config)
        try:
            yield made
        finally:
            made.close()


COMPACT = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0"}
record = st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.one_of(st.none(), st.binary(max_size=2)))
step = st.one_of(st.lists(record, min_size=1, max_size=8), st.sampled_from(["hour", "day", "week"]), st.just("restart"))


@settings(max_examples=60)
@given(st.lists(step, min_size=1, max_size=14))
def test_what_compaction_takes_and_what_it_never_takes(steps: list[list[tuple[bytes, bytes | None]] | str]) -> None:
    """Whoever started less than delete.retention.ms ago, or starts now, ends with the state that all records give."""
    with yard(**COMPACT, **{"delete.retention.ms": str(2 * DAY_MS)}) as made:
        everything: list[tuple[bytes, bytes | None]] = []
        readers: list[tuple[int, int, dict[bytes, bytes | None]]] = []
        for what in steps:
            if isinstance(what, list):
                made.write(*what)
                everything += what
            elif what == "restart":
                made.maintenance.close()
                made.maintenance = made.make_maintenance()
            else:
                made.now_ms += {"hour": DAY_MS // 24, "day": DAY_MS, "week": 7 * DAY_MS}[what]
            made.keep_up()
            there = made.records()
            assert all(everything[offset] == kept for offset, kept in there.items())
            assert made.log.end_offsets([WHERE]) == {WHERE: len(everything)}
            assert made.log.begin_offsets([WHERE]) == {WHERE: 0}
            state = dict(everything)
            if everything:
                assert len(everything) - 1 in there
            assert {k: v for k, v in dict(there.values()).items() if v is not None} == {
                k: v for k, v in state.items() if v is not None
            }
            for at, since_ms, seen in readers:
                if made.now_ms - since_ms < 2 * DAY_MS:
                    caught_up = seen | {key: value for offset, (key, value) in there.items() if offset >= at and key}
                    assert {k: v for k, v in caught_up.items() if v is not None} == {
                        k: v for k, v in state.items() if v is not None
                    }
            readers.append((len(everything), made.now_ms, state))


def test_a_tombstone_goes_when_its_time_is_over_and_the_newest_record_stays() -> None:
    with yard(**COMPACT, **{"delete.retention.ms": str(DAY_MS)}) as made:
        made.write((b"a", b"1"), (b"b", b"1"), (b"a", None), (b"b", None))
        made.keep_up()
        assert made.records() == {2: (b"a", None), 3: (b"b", None)}
        made.now_ms += DAY_MS - 1
        made.keep_up()
        assert list(made.records()) == [2, 3]
        made.now_ms += 2
        made.keep_up()
        assert list(made.records()) == [3]
        made.write((b"c", b"1"))
        for _ in range(3):
            made.now_ms += 2 * DAY_MS
            made.keep_up()
        assert list(made.records()) == [4]
        assert made.log.end_offsets([WHERE]) == {WHERE: 5}


def test_a_busy_topic_remembers_few_points_in_time() -> None:
    """A pass every few minutes must neither pile up points in time nor push a tombstone's end away for ever."""
    with yard(**COMPACT, **{"delete.retention.ms": str(DAY_MS)}) as made:
        made.write((b"gone", None))
        for number in range(600):
            made.write(*((b"%d" % (key % 7), b"%d" % number) for key in range(10)))
            made.now_ms += 5 * 60_000
            made.keep_up()
            if made.now_ms - START_MS > DAY_MS * 1.1:
                break
        store = Store(made.path)
        ((points,),) = store.read("SELECT count(*) FROM cleaned")
        store.close()
        assert points < 80
        assert (b"gone", None) not in made.records().values()


def test_it_waits_until_the_work_pays() -> None:
    with yard(**{"cleanup.policy": "compact"}) as made:
        made.write(*((b"%d" % number, b"1") for number in range(5000)))
        made.keep_up()
        made.now_ms += DAY_MS
        made.write(*((b"%d" % number, b"2") for number in range(2000)))
        made.keep_up()
        assert len(made.records()) == 7000
        made.write(*((b"%d" % number, b"3") for number in range(4000)))
        made.keep_up()
        assert len(made.records()) == 5000


def test_young_records_are_spared_on_request() -> None:
    with yard(**COMPACT, **{"min.compaction.lag.ms": "60000"}) as made:
        made.write((b"a", b"1"), (b"a", b"2"))
        made.keep_up()
        assert len(made.records()) == 2
        made.now_ms += 60_001
        made.write((b"a", b"3"))
        made.keep_up()
        assert made.records() == {1: (b"a", b"2"), 2: (b"a", b"3")}


def test_records_without_a_key_outlive_compaction() -> None:
    with yard() as made:
        made.write((None, b"1"), (b"a", b"1"), (b"a", b"2"))
        made.log.alter_topic("t", COMPACT)
        made.keep_up()
        assert made.records() == {0: (None, b"1"), 2: (b"a", b"2")}


def test_retention_by_age_stops_at_the_first_young_record() -> None:
    with yard(**{"retention.ms": str(DAY_MS)}) as made:
        made.write(*((b"a", b"%d" % number) for number in range(10_000)))
        made.now_ms += DAY_MS // 2
        made.write((b"b", b"young"))
        made.write((b"c", b"old by its timestamp"), timestamp_ms=START_MS)
        made.keep_up()
        assert made.log.begin_offsets([WHERE]) == {WHERE: 0}
        made.now_ms = START_MS + DAY_MS + 1
        made.keep_up()
        assert made.log.begin_offsets([WHERE]) == {WHERE: 10_000}
        assert list(made.records()) == [10_000, 10_001]
        made.now_ms += DAY_MS
        made.keep_up()
        assert made.records() == {}
        assert made.log.begin_offsets([WHERE]) == made.log.end_offsets([WHERE]) == {WHERE: 10_002}
        made.write((b"d", b"next"))
        assert list(made.records()) == [10_002]


def test_retention_by_size_keeps_at_least_that_much() -> None:
    with yard(**{"retention.ms": "-1", "retention.bytes": "10000"}) as made:
        made.write(*((b"k", bytes(999)) for _ in range(30)))
        made.keep_up()
        assert list(made.records()) == list(range(20, 30))


def test_the_records_of_a_deleted_topic_go_and_their_space_comes_back() -> None:
    with yard() as made:
        made.write(*((b"%d" % number, os.urandom(5000)) for number in range(20_000)))
        made.log.delete_topic("t")
        made.log.create_topic("t", 1, {})
        made.producer.close()
        made.producer = made.log.producer()
        made.write((b"k", b"new"))
        made.keep_up()
        assert made.records() == {0: (b"k", b"new")}
        store = Store(made.path)
        assert store.read("SELECT count(*) FROM record") == [(1,)]
        assert store.read("SELECT count(*) FROM garbage") == [(0,)]
        ((pages,),) = store.read("PRAGMA page_count")
        store.close()
        assert pages * 16384 < 70_000_000


def test_one_process_at_a_time_does_the_work() -> None:
    with yard(**COMPACT) as made:
        for _ in range(3):
            made.write(*((b"%d" % number, bytes(100)) for number in range(10_000)))
        other = made.make_maintenance()
        assert made.maintenance.run(0.0)
        assert not other.run(10.0)
        assert len(made.records()) == 30_000
        made.keep_up()
        assert len(made.records()) == 10_000
        other.close()
