"""The embedded log's prefixes in the file: what they save, whose they are, and what a rollback leaves of them."""

from __future__ import annotations

import json
import os
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.worker.api import Fenced, Retriable, TopicPartition
from headwater.worker.log import LogError, Message, UnknownTopic, open_log
from headwater.worker.log.contract import Log
from headwater.worker.log.embedded_maintenance import Maintenance
from headwater.worker.log.embedded_producer import EmbeddedProducer
from headwater.worker.log.embedded_store import Store

WHERE = TopicPartition("t", 0)
SCHEMA = (
    b'{"schema":%s,"payload":' % json.dumps([{"field": f"column_{n}", "type": "int64"} for n in range(110)]).encode()
)
KEY = b'{"schema":{"type":"struct","fields":[{"field":"id","type":"int64"}],"name":"shop.public.orders.Key"},"id":%d}'


def value(number: int) -> bytes:
    return SCHEMA + b'{"before":null,"after":{"id":%d}}}' % number


def read(log: Log) -> list[Message]:
    consumer = log.consumer()
    consumer.assign(log.begin_offsets([WHERE]))
    found: list[Message] = []
    while consumer.position()[WHERE] < log.end_offsets([WHERE])[WHERE]:
        found += consumer.poll(1000, 0.0)
    consumer.close()
    return found


def rows(path: Path, statement: str) -> list[tuple[int, ...]]:
    store = Store(path)
    try:
        return store.read(statement)
    finally:
        store.close()


def make(folder: Path, **config: str) -> Log:
    log = open_log({}, folder)
    log.create_topic("t", 1, config)
    return log


def test_the_file_stays_small(tmp_path: Path) -> None:
    assert len(SCHEMA) > 4500
    log = make(tmp_path)
    producer = log.producer()
    for first in range(0, 20_000, 500):
        producer.send(Message("t", KEY % n, value(n)) for n in range(first, first + 500))
        producer.flush()
    producer.close()
    found = read(log)
    assert [(m.key, m.value) for m in found] == [(KEY % n, value(n)) for n in range(20_000)]
    log.close()
    naive = sum(len(m.key or b"") + len(m.value or b"") for m in found)
    assert (tmp_path / "log.db").stat().st_size < naive / 20


def test_retention_counts_what_was_sent(tmp_path: Path) -> None:
    log = make(tmp_path, **{"retention.ms": "-1", "retention.bytes": str(100 * 5000)})
    producer = log.producer()
    producer.send(Message("t", KEY % n, value(n)) for n in range(1000))
    producer.close()
    sent = sum(len(m.key or b"") + len(m.value or b"") for m in read(log))
    assert rows(tmp_path / "log.db", "SELECT bytes FROM partition") == [(sent,)]
    while log.maintain(10.0):
        pass
    left = read(log)
    size = sum(len(m.key or b"") + len(m.value or b"") for m in left)
    assert [m.value for m in left] == [value(n) for n in range(1000 - len(left), 1000)]
    assert rows(tmp_path / "log.db", "SELECT bytes FROM partition") == [(size,)]
    assert 500_000 <= size < 510_000
    log.close()


def full_disk(producer: EmbeddedProducer, pages: int) -> None:
    ((now,),) = producer._store.read("PRAGMA page_count")
    producer._store.read(f"PRAGMA max_page_count = {now + pages}")


def test_a_rolled_back_transaction_takes_its_prefixes_with_it(tmp_path: Path) -> None:
    """And the id that it had is given to another prefix, of which the first producer must not think it is its own."""
    log = make(tmp_path)
    first, second = log.producer(), log.producer()
    assert isinstance(first, EmbeddedProducer)
    full_disk(first, 10)
    first.send(Message("t", b"k", value(n)) for n in range(100))
    first.send(Message("t", b"k", os.urandom(500)) for n in range(2000))
    with pytest.raises(Retriable, match="disk is full"):
        first.flush()
    assert rows(tmp_path / "log.db", "SELECT count(*) FROM prefix") == [(0,)]
    other = [b"other" * 300 + b"%d" % n for n in range(100)]
    second.send(Message("t", b"k", one) for one in other)
    second.close()
    assert rows(tmp_path / "log.db", "SELECT count(*) FROM prefix") == [(1,)]
    full_disk(first, 100_000)
    first.flush()
    first.send(Message("t", b"k", value(n)) for n in range(100, 200))
    first.close()
    found = [m.value for m in read(log)]
    assert found[:200] == other + [value(n) for n in range(100)]
    assert found[-100:] == [value(n) for n in range(100, 200)]
    assert rows(tmp_path / "log.db", "SELECT count(*) FROM prefix") == [(2,)]
    log.close()


def test_a_fenced_producer_leaves_no_prefix(tmp_path: Path) -> None:
    log = make(tmp_path)
    old, new = log.producer("id"), log.producer("id")
    old.init_transactions()
    old.begin()
    old.send(Message("t", b"k", value(n)) for n in range(100))
    new.init_transactions()
    with pytest.raises(Fenced):
        old.commit()
    assert rows(tmp_path / "log.db", "SELECT count(*) FROM prefix") == [(0,)]
    old.close()
    new.close()
    log.close()


def test_producers_use_each_others_prefixes(tmp_path: Path) -> None:
    """Also one that had looked before there were any, and one that starts later."""
    log = make(tmp_path)
    first, second = log.producer(), log.producer()
    second.send([Message("t", b"k", value(0))])
    second.flush()
    first.send(Message("t", b"k", value(n)) for n in range(100))
    first.flush()
    second.send(Message("t", b"k", value(n)) for n in range(100, 200))
    second.flush()
    third = log.producer()
    third.send([Message("t", b"k", value(200))])
    third.flush()
    assert rows(tmp_path / "log.db", "SELECT count(*) FROM prefix") == [(1,)]
    last = "SELECT value_prefix FROM record ORDER BY id DESC LIMIT 1"
    assert rows(tmp_path / "log.db", last) == rows(tmp_path / "log.db", "SELECT id FROM prefix")
    for producer in (first, second, third):
        producer.close()
    log.close()


def test_a_key_is_the_same_key_with_any_prefix_and_with_none(tmp_path: Path) -> None:
    log = make(tmp_path, **{"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0"})
    for round_ in range(4):
        producer = log.producer()
        for n in range(40):
            producer.send([Message("t", KEY % (n % 20), b"%d.%d" % (round_, n))])
        producer.flush()
        producer.close()
    assert len(rows(tmp_path / "log.db", "SELECT DISTINCT ifnull(key_prefix, 0) FROM record")) > 1
    expected = {m.key: m.value for m in read(log)}
    while log.maintain(10.0):
        pass
    found = read(log)
    assert len(found) == 20
    assert {m.key: m.value for m in found} == expected
    log.close()


def test_a_deleted_topics_prefixes_go_and_no_id_comes_back(tmp_path: Path) -> None:
    """The deleted topic has the largest id: the one that would be given out again."""
    log = make(tmp_path)
    path = tmp_path / "log.db"
    log.create_topic("other", 1, {})
    producer = log.producer()
    producer.send(Message(topic, b"k", value(n)) for topic in ("other", "t") for n in range(100))
    producer.flush()
    ((largest,),) = rows(path, "SELECT max(id) FROM prefix")
    consumer = log.consumer()
    consumer.assign({WHERE: 0})
    assert consumer.poll(30, 1.0)[-1].value == value(29)
    log.delete_topic("t")
    log.create_topic("t", 1, {})
    while log.maintain(10.0):
        pass
    assert len(rows(path, "SELECT id FROM prefix")) == 1
    with pytest.raises(UnknownTopic):
        consumer.poll(30, 1.0)
    producer.send(Message("t", b"k", value(n)) for n in range(100))
    producer.close()
    assert [m.value for m in read(log)] == [value(n) for n in range(100)]
    assert rows(path, "SELECT max(id) FROM prefix")[0][0] > largest
    consumer.close()
    log.close()


def test_prefixes_that_never_last_are_bounded(tmp_path: Path) -> None:
    log = make(tmp_path)
    producer = log.producer()
    chance = random.Random(5)
    sent = []
    for _ in range(150):
        prefix = chance.randbytes(600)
        sent += [prefix + chance.randbytes(20) for _ in range(20)]
        producer.send(Message("t", b"k", one) for one in sent[-20:])
        producer.flush()
    producer.close()
    ((count,),) = rows(tmp_path / "log.db", "SELECT count(*) FROM prefix")
    assert 32 < count <= 65
    assert [m.value for m in read(log)] == sent
    log.close()


def test_a_prefix_that_is_missing_is_damage(tmp_path: Path) -> None:
    log = make(tmp_path)
    producer = log.producer()
    producer.send(Message("t", b"k", value(n)) for n in range(100))
    producer.close()
    store = Store(tmp_path / "log.db")
    with store.write() as connection:
        connection.execute("DELETE FROM prefix")
    store.close()
    with pytest.raises(LogError, match=r"log\.db.*damaged"):
        read(log)
    log.close()


beginnings = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1500)), max_size=3)
piece = st.tuples(beginnings, st.integers(1, 40), st.sampled_from([0, 5, 700]))
step = st.one_of(piece, piece, st.sampled_from(["restart", "other producer", "roll back", "compact"]))
LONG = [random.Random(n).randbytes(1500) for n in range(4)]


@settings(max_examples=60, deadline=None)
@given(st.lists(step, min_size=2, max_size=25), st.booleans(), st.randoms(use_true_random=False))
def test_what_goes_in_comes_out(
    steps: list[tuple[list[tuple[int, int]], int, int] | str], compacted: bool, chance: random.Random
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        policy = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0"} if compacted else {}
        log = make(folder, **policy)
        producers = [log.producer("a"), log.producer("b")]
        maintenance = Maintenance(folder / "log.db", look_every_s=0.0)
        for producer in producers:
            producer.init_transactions()
        expected: dict[int, tuple[bytes, bytes | None]] = {}
        which = end = 0
        roll_back = False
        for what in steps:
            if what == "restart":
                for number, producer in enumerate(producers):
                    producer.close()
                    producers[number] = log.producer("ab"[number])
                    producers[number].init_transactions()
            elif what == "other producer":
                which = 1 - which
            elif what == "roll back":
                roll_back = True
            elif what == "compact":
                while maintenance.run(10.0):
                    pass
            else:
                assert not isinstance(what, str)
                start = b"".join(LONG[n][:length] for n, length in what[0])
                sent = [
                    (start[-200:] + b"%d" % chance.randrange(9), start + chance.randbytes(chance.randint(0, what[2])))
                    for _ in range(what[1])
                ]
                producers[which].begin()
                producers[which].send(Message("t", *pair) for pair in sent)
                if roll_back:
                    with pytest.raises(UnknownTopic):
                        log.create_topic("gone", 1, {})
                        producers[which].send([Message("gone", b"k", b"v")])
                        log.delete_topic("gone")
                        producers[which].commit()
                    producers[which].abort()
                    roll_back = False
                else:
                    producers[which].commit()
                    expected |= dict(enumerate(sent, end))
                    end += len(sent)
        found = {m.offset: (m.key, m.value) for m in read(log)}
        if compacted:
            assert all(expected[offset] == pair for offset, pair in found.items())
            assert dict(found.values()) == dict(expected.values())
        else:
            assert found == expected
        size = sum(len(k or b"") + len(v or b"") for k, v in found.values())
        assert rows(folder / "log.db", "SELECT rows, bytes FROM partition") == [(len(found), size)]
        maintenance.close()
        for producer in producers:
            producer.close()
        log.close()
