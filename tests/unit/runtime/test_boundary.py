"""Where transactions end; and the committer on an embedded log of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headwater.worker.api import TopicPartition
from headwater.worker.config.policies import BoundaryPolicy
from headwater.worker.log import open_log
from headwater.worker.log.contract import Log, Message, MessageRefused
from headwater.worker.observe.metrics import TaskMetrics
from headwater.worker.runtime.boundary import TRANSACTION_BYTES, WHOLE_BYTES, Boundary, Prepared, Sent
from headwater.worker.runtime.committer import Committer

POLL, LONG, CONNECTOR = BoundaryPolicy(), BoundaryPolicy("interval", 3_600_000), BoundaryPolicy("connector")
PATIENCE_S = 240.0
TABLE = TopicPartition("t", 0)


def batch(number: int, ends: bool = True, size: int = 0) -> Prepared:
    position = {"n": number}
    messages = [Message("t", b"%d" % number, b"x" * size)]
    return Prepared(messages, [({}, position)], [Message("o", b"key", b"%d" % number)], None, ends)


def sent(*batches: Prepared) -> Sent:
    made = Sent()
    for one in batches:
        made.add(one)
    return made


def test_a_transaction_takes_what_fits() -> None:
    queue = [batch(n, size=6 << 20) for n in range(4)]
    for policy in (POLL, LONG):
        assert Boundary(policy, None).next(queue, None) == queue[:2]
        assert Boundary(policy, None).next(queue, sent(batch(9, size=6 << 20))) == queue[:1]
        assert Boundary(policy, None).next(queue, sent(*queue)) == []
        assert Boundary(policy, None).next([batch(0, size=TRANSACTION_BYTES + 1)], None) != [], "it has to go somewhere"


def test_a_transaction_of_the_connector_takes_all_of_it_and_no_more() -> None:
    boundary = Boundary(CONNECTOR, None)
    queue = [batch(0, False, 12 << 20), batch(1, False, 12 << 20), batch(2, True), batch(3, True)]
    assert boundary.next(queue, None) == queue[:3]
    assert boundary.over(sent(*queue[:3])) and not boundary.over(sent(*queue[:2]))
    assert not boundary.whole(sent(queue[0])) and Boundary(LONG, None).whole(sent(queue[0]))
    large = batch(0, False, WHOLE_BYTES)
    assert boundary.next([batch(1)], sent(large)) == [], "what is too large is divided"


def test_no_transaction_waits_until_the_log_gives_it_up() -> None:
    waits = sent(batch(0, False))
    for policy in (LONG, CONNECTOR):
        assert Boundary(policy, None).left_s(waits) > 3_000
        assert Boundary(policy, 60.0).left_s(waits) <= 30
        assert Boundary(policy, 0.0).over(waits)
    assert Boundary(BoundaryPolicy("interval", 0), None).over(waits)
    assert Boundary(POLL, None).over(waits)


Make = Callable[..., Committer]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with closing(open_log({}, tmp_path)) as made:
        made.create_topic("t", 1, {})
        made.create_topic("o", 1, {})
        yield made


@pytest.fixture
def make(log: Log) -> Iterator[Make]:
    started: list[Committer] = []

    def refuse(refusal: MessageRefused) -> None:
        raise refusal

    def made(policy: BoundaryPolicy, may_write: Callable[[], bool] = lambda: True) -> Committer:
        started.append(Committer(log, "id", policy, TaskMetrics(), refuse, may_write))
        started[-1].start()
        assert started[-1].ready(PATIENCE_S)
        return started[-1]

    yield made
    for one in started:
        one.stop()


def visible(log: Log) -> int:
    return log.end_offsets([TABLE])[TABLE]


def test_time_has_not_come_until_somebody_settles(log: Log, make: Make) -> None:
    committer = make(LONG)
    for number in range(5):
        assert committer.put(batch(number), PATIENCE_S)
    assert visible(log) == 0 and committer.take_durable() == []
    assert committer.drain(PATIENCE_S)
    assert visible(log) == 5 and committer.committed == 5
    assert [position for _, position in committer.take_durable()] == [{"n": n} for n in range(5)]
    with closing(log.consumer()) as reader:
        reader.assign({TopicPartition("o", 0): 0})
        assert [m.value for m in reader.poll(10, PATIENCE_S)] == [b"4"], "the last position alone is stored"


def test_time_comes_without_more_to_write(log: Log, make: Make) -> None:
    committer = make(BoundaryPolicy("interval", 50))
    assert committer.put(batch(0), PATIENCE_S)
    with committer._changed:
        assert committer._changed.wait_for(lambda: committer.committed == 1, PATIENCE_S)
    assert visible(log) == 1


def test_the_beginning_of_a_transaction_is_taken_back(log: Log, make: Make) -> None:
    committer = make(CONNECTOR)
    for number, ends in enumerate([False, False, True, False, False]):
        assert committer.put(batch(number, ends), PATIENCE_S)
    assert committer.drain(PATIENCE_S)
    assert visible(log) == 3 and committer.committed == committer.accepted == 3
    assert [position for _, position in committer.take_durable()] == [{"n": n} for n in range(3)]
    assert committer.put(batch(3), PATIENCE_S) and committer.drain(PATIENCE_S)
    assert visible(log) == 4


def test_nothing_is_written_without_the_right(log: Log, make: Make) -> None:
    rights = [True]
    committer = make(LONG, lambda: rights[0])
    assert committer.put(batch(0), PATIENCE_S)
    rights[0] = False
    assert not committer.drain(0.5)
    committer.stop()
    assert visible(log) == 0 and committer.committed == 0
