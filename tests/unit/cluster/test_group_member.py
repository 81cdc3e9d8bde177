"""Members of one group, with rounds as the brokers would lead them: what each has, gives up and tells."""

from __future__ import annotations

import time
from collections.abc import Collection

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.worker.cluster.connect_protocol import VERSIONS, read_assignment, read_state
from headwater.worker.cluster.group_member import GroupMember
from headwater.worker.cluster.membership import CONNECTOR, Elsewhere, Item
from headwater.worker.runtime.lease import LeaseReader, now_ms

SESSION_MS = 60_000


def items_of(connectors: int) -> frozenset[Item]:
    return frozenset(Item(f"c{n}", task) for n in range(connectors) for task in (CONNECTOR, 0))


class Topic:
    """The config topic: what there is, and up to which offset that is written."""

    def __init__(self, connectors: int) -> None:
        self.offset, self.items = 5, items_of(connectors)

    def write(self, connectors: int) -> None:
        self.offset, self.items = self.offset + 1, items_of(connectors)


class Worker:
    """Runs what it is assigned once `settle` is called, not before."""

    def __init__(self, topic: Topic, name: str, protocol: str = "sessioned", delay_ms: int = 0) -> None:
        self.topic, self.name = topic, name
        self.known: tuple[int, frozenset[Item]] = (-1, frozenset())
        self.runs: set[Item] = set()
        self.left: set[Item] = set()
        self.looks = 0
        self.read()
        self.member = GroupMember(self, f"http://{name}:8083/", protocol, SESSION_MS, delay_ms)

    def read(self) -> None:
        self.known = self.topic.offset, self.topic.items

    def config(self) -> tuple[int, Collection[Item]]:
        return self.known

    def running(self) -> Collection[Item]:
        return self.runs

    def returning(self) -> Collection[Item]:
        return self.left

    def changed(self) -> None:
        self.looks += 1

    @property
    def items(self) -> set[Item]:
        return set(self.member.assigned().items or ())

    def settle(self) -> None:
        self.runs = set(self.items)


class Brokers:
    """Leads the first of the workers to join, and chooses the protocol, as a broker does."""

    def __init__(self) -> None:
        self.generation = 0

    def hold_round(self, workers: list[Worker]) -> None:
        self.generation += 1
        told = {worker.name: dict(worker.member.protocols()) for worker in workers}
        protocol = next(name for name in VERSIONS if all(name in offer for offer in told.values()))
        leader = workers[0]
        states = {name: offer[protocol] for name, offer in told.items()}
        given_out = leader.member.assign(leader.name, protocol, self.generation, states)
        for worker in workers:
            worker.member.joined(self.generation, worker.name, protocol, given_out[worker.name], now_ms())

    def settle(self, workers: list[Worker]) -> int:
        """Rounds until nobody wants another one; how many there were."""
        rounds = 0
        for worker in workers:
            worker.settle()
        while any(worker.member.wants_to_join() for worker in workers):
            assert rounds < 10
            self.hold_round(workers)
            for worker in workers:
                worker.settle()
            rounds += 1
        return rounds


def told(worker: Worker) -> frozenset[Item]:
    return read_state(dict(worker.member.protocols())["sessioned"]).items


def test_the_first_worker_has_all_and_leads() -> None:
    worker = Worker(Topic(2), "a")
    assert worker.member.assigned().generation == -1 and not worker.items
    assert Brokers().settle([worker]) == 1
    assigned = worker.member.assigned()
    assert assigned.items == items_of(2)
    assert assigned.leader and assigned.sessioned and assigned.config_offset == 5
    assert assigned.leader_url == "http://a:8083/"
    assert worker.member.owner_url(Item("c0", 0)) == "http://a:8083/"
    assert worker.member.owner_url(Item("c9", 0)) == ""


def test_what_is_taken_back_moves_when_it_has_stopped() -> None:
    topic, brokers = Topic(2), Brokers()
    a, b = Worker(topic, "a"), Worker(topic, "b")
    brokers.settle([a])
    brokers.hold_round([a, b])
    assert len(a.items) == 2 and not b.items
    assert not a.member.wants_to_join(), "it still runs what it gives up"
    brokers.hold_round([a, b])  # for a reason of somebody else's
    assert not b.items
    a.settle()
    assert a.member.wants_to_join()
    brokers.hold_round([a, b])
    assert a.items | b.items == items_of(2) and not a.items & b.items
    assert len(b.items) == 2


def test_a_member_that_has_fallen_out_has_nothing_at_once() -> None:
    topic, brokers = Topic(2), Brokers()
    a = Worker(topic, "a")
    brokers.settle([a])
    before = a.member.assigned()
    task = LeaseReader(a.member.lease.path, before.incarnation)
    assert task.held
    a.member.lost("the brokers say so")
    assert a.member.assigned().generation == -1
    assert not a.items and not task.held
    assert told(a) == frozenset(), "though all of it still runs"
    brokers.hold_round([a])
    assert a.items == items_of(2)
    assert a.member.assigned().incarnation > before.incarnation
    assert not task.held


def test_falling_out_during_a_round_is_told_in_the_next() -> None:
    topic, brokers = Topic(2), Brokers()
    a = Worker(topic, "a")
    brokers.settle([a])
    states = {"a": dict(a.member.protocols())["sessioned"]}
    a.member.lost("for a test")
    answer = a.member.assign("a", "sessioned", 2, states)["a"]
    a.member.joined(2, "a", "sessioned", answer, now_ms())
    assert not a.items
    assert brokers.settle([a]) == 1
    assert a.items == items_of(2)


def test_a_lease_that_is_over_ends_everything_before_anybody_looks() -> None:
    topic, brokers = Topic(2), Brokers()
    a = Worker(topic, "a")
    brokers.settle([a])
    a.member.lease.grant(now_ms() - 1)
    assert not a.items and a.member.assigned().generation == -1
    a.member.heard(now_ms())
    assert not a.items, "an answer that comes too late changes nothing"
    assert a.member.wants_to_join()


def test_under_the_eager_protocol_everything_stops_first() -> None:
    topic, brokers = Topic(2), Brokers()
    a, b = Worker(topic, "a"), Worker(topic, "b", "eager")
    brokers.hold_round([a])
    a.settle()
    assert a.member.may_join()
    brokers.hold_round([a, b])
    a.settle()
    b.settle()
    topic.write(3)
    for worker in (a, b):
        worker.read()
        assert not worker.member.may_join()
        assert not worker.items and worker.member.assigned().generation == 2
        worker.settle()
        assert worker.member.may_join()
    brokers.hold_round([a, b])
    assert a.items | b.items == items_of(3) and not a.items & b.items
    assert not a.member.assigned().sessioned


def test_a_leader_that_is_behind_reads_on_first() -> None:
    topic, brokers = Topic(2), Brokers()
    a, b = Worker(topic, "a"), Worker(topic, "b")
    brokers.settle([a, b])
    had = a.items, b.items
    topic.write(3)
    b.read()
    brokers.hold_round([a, b])
    assert (a.items, b.items) == had, "what they had they keep"
    assert a.member.assigned().config_offset == 5
    assert b.member.wants_to_join()
    assert not a.member.wants_to_join()
    assert a.member.elsewhere == Elsewhere("http://b:8083/", 6)
    assert b.member.elsewhere == Elsewhere("http://a:8083/", 6)
    a.read()
    assert a.member.wants_to_join()
    brokers.settle([a, b])
    assert a.member.elsewhere is None and b.member.elsewhere is None
    assert a.items | b.items == items_of(3)
    assert a.member.assigned().config_offset == b.member.assigned().config_offset == 6


def test_what_a_worker_left_in_good_order_waits_for_it() -> None:
    topic, brokers = Topic(4), Brokers()
    workers = [Worker(topic, name, delay_ms=200) for name in "abc"]
    brokers.settle(workers)
    a, b, c = workers
    a.left = b.left = c.items
    had = a.items, b.items
    brokers.hold_round([a, b])
    assert (a.items, b.items) == had
    assert 0 < a.member.patience_ms() <= 200
    assert not a.member.wants_to_join()
    time.sleep(0.25)
    assert a.member.wants_to_join() and b.member.wants_to_join()
    brokers.settle([a, b])
    assert a.items | b.items == items_of(4)
    assert had[0] <= a.items and had[1] <= b.items


def test_a_member_that_talks_nonsense_gets_nothing() -> None:
    a = Worker(Topic(1), "a")
    states = {"a": dict(a.member.protocols())["sessioned"], "x": b"\x00\x02\x00\xff"}
    answer = a.member.assign("a", "sessioned", 1, states)
    a.member.joined(1, "a", "sessioned", answer["a"], now_ms())
    assert read_assignment(answer["x"]).assigned == frozenset()
    assert a.items == items_of(1)


@pytest.mark.parametrize("protocol", ["sessioned", "compatible"])
@settings(max_examples=60)
@given(data=st.data())
def test_whatever_happens_each_thing_runs_once_in_the_end(protocol: str, data: st.DataObject) -> None:
    """Workers come, leave, fall out, stop slowly and read late; nothing ever runs twice but where one fell out."""
    topic, brokers = Topic(3), Brokers()
    workers = [Worker(topic, "w0", protocol)]
    fell_out = False
    for step in range(data.draw(st.integers(1, 15))):
        worker = data.draw(st.sampled_from(workers))
        happens = data.draw(st.sampled_from(["comes", "leaves", "falls out", "settles", "config", "reads", "round"]))
        if happens == "comes" and len(workers) < 4:
            workers.append(Worker(topic, f"w{step + 1}", protocol))
        elif happens == "leaves" and len(workers) > 1:
            workers.remove(worker)
        elif happens == "falls out":
            fell_out = True
            worker.member.lost("for a test")
        elif happens == "settles":
            worker.settle()
        elif happens == "config":
            topic.write(data.draw(st.integers(0, 5)))
        elif happens == "reads":
            worker.read()
        elif happens == "round":
            brokers.hold_round(workers)
        everything = [item for worker in workers for item in worker.items]
        assert len(everything) == len(set(everything))
        if not fell_out:
            running = [item for worker in workers for item in worker.runs | worker.items]
            assert len(running) == len(set(running))
    for worker in workers:
        worker.read()
        worker.member.join_again()
    brokers.settle(workers)
    assert sorted(item for worker in workers for item in worker.items) == sorted(topic.items)
    counts = [len(worker.items) for worker in workers]
    assert max(counts) - min(counts) <= 2
