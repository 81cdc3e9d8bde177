"""Who gets what: exactly one owner each, nothing moves needlessly, two rounds at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from headwater.worker.cluster.assignment import Departures, Share, assign
from headwater.worker.cluster.membership import CONNECTOR, Item

Owned = dict[str, set[Item]]


def items_of(tasks: list[int]) -> set[Item]:
    """Connector n has so many tasks."""
    return {Item(f"c{n}", task) for n, count in enumerate(tasks) for task in (CONNECTOR, *range(count))}


@st.composite
def groups(draw: st.DrawFn) -> tuple[Owned, set[Item]]:
    """Members with some of what there is, what there was, and what others have too."""
    wanted = items_of(draw(st.lists(st.integers(0, 6), max_size=8)))
    known = sorted(wanted | {Item("gone", CONNECTOR), Item("gone", 0), Item("c0", 99)})
    owned: Owned = {f"m{n}": set() for n in range(draw(st.integers(1, 5)))}
    for item in known:
        for member in draw(st.lists(st.sampled_from(sorted(owned)), max_size=2)):
            owned[member].add(item)
    return owned, wanted


def after(owned: Mapping[str, set[Item]], shares: Mapping[str, Share]) -> Owned:
    return {member: (items | shares[member].assigned) - shares[member].revoked for member, items in owned.items()}


def kinds(items: set[Item]) -> tuple[set[Item], set[Item]]:
    connectors = {item for item in items if item.task == CONNECTOR}
    return connectors, items - connectors


@given(groups())
def test_everything_has_one_owner_after_two_rounds_and_then_rests(group: tuple[Owned, set[Item]]) -> None:
    owned, wanted = group
    for _ in range(2):
        held = Counter(item for items in owned.values() for item in items)
        shares = assign(owned, wanted)
        given_out = [item for share in shares.values() for item in share.assigned]
        assert not set(given_out) & set(held), "only what nobody has is handed out"
        assert len(given_out) == len(set(given_out))
        assert all(share.revoked <= owned[member] for member, share in shares.items())
        owned = after(owned, shares)
    assert sorted(item for items in owned.values() for item in items) == sorted(wanted)
    for kind in (0, 1):
        counts = [len(kinds(items)[kind]) for items in owned.values()]
        assert max(counts) - min(counts) <= 1
    assert set(assign(owned, wanted).values()) == {Share()}


@given(groups())
def test_no_more_moves_than_balance_needs(group: tuple[Owned, set[Item]]) -> None:
    owned, wanted = group
    held = Counter(item for items in owned.values() for item in items)
    alone = {member: {i for i in items if held[i] == 1 and i in wanted} for member, items in owned.items()}
    shares = assign(owned, wanted)
    for kind in (0, 1):
        counts = sorted((len(kinds(items)[kind]) for items in alone.values()), reverse=True)
        least, more = divmod(len(kinds(wanted)[kind]), len(owned))
        needed = sum(max(0, count - least - (place < more)) for place, count in enumerate(counts))
        moved = [item for member, share in shares.items() for item in kinds(alone[member] & share.revoked)[kind]]
        assert len(moved) == needed


@given(groups())
def test_what_is_not_wanted_or_has_several_owners_is_taken_back(group: tuple[Owned, set[Item]]) -> None:
    owned, wanted = group
    held = Counter(item for items in owned.values() for item in items)
    for member, share in assign(owned, wanted).items():
        assert {item for item in owned[member] if item not in wanted or held[item] > 1} <= share.revoked


@given(groups(), st.data())
def test_while_something_waits_nothing_moves(group: tuple[Owned, set[Item]], data: st.DataObject) -> None:
    owned, wanted = group
    held = Counter(item for items in owned.values() for item in items)
    free = sorted(wanted - set(held))
    waiting = set(data.draw(st.lists(st.sampled_from(free), min_size=1))) if free else set()
    shares = assign(owned, wanted, waiting)
    assert {item for share in shares.values() for item in share.assigned} == set(free) - waiting
    if waiting:
        revoked = {item for share in shares.values() for item in share.revoked}
        assert not {item for item in revoked if item in wanted and held[item] == 1}


def test_a_second_worker_takes_half_and_not_all_of_one_connector() -> None:
    wanted = items_of([2, 2])
    shares = assign({"a": set(wanted), "b": set()}, wanted)
    assert shares["b"] == Share()
    assert shares["a"].revoked == {Item("c1", CONNECTOR), Item("c0", 1), Item("c1", 1)}


def test_connectors_of_one_task_are_spread() -> None:
    """Kinds are balanced apart, so that no worker has all of the tasks."""
    shares = assign({"a": set(), "b": set(), "c": set()}, items_of([1] * 9))
    assert {(len(kinds(set(s.assigned))[0]), len(kinds(set(s.assigned))[1])) for s in shares.values()} == {(3, 3)}


def test_a_thousand_connectors_are_assigned_at_once() -> None:
    wanted = items_of([1] * 1000)
    owned: Owned = {f"m{n}": set() for n in range(3)}
    owned = after(owned, assign(owned, wanted))
    owned["m3"] = set()
    shares = assign(owned, wanted)
    assert sum(len(share.revoked) for share in shares.values()) == 500


A = frozenset({Item("a", CONNECTOR), Item("a", 0)})
B = frozenset({Item("b", CONNECTOR), Item("b", 0)})


def led(departures: Departures) -> None:
    """Round 1: `left` has A, `stays` has B."""
    departures.remember(1, {"left": frozenset(), "stays": B}, {"left": Share(A), "stays": Share()})


def test_what_a_worker_left_in_good_order_waits() -> None:
    departures = Departures(5000)
    led(departures)
    assert departures.waiting(1000, 2, {"stays": B}, A) == (A, 5000)
    departures.remember(2, {"stays": B}, {"stays": Share()})
    assert departures.waiting(4000, 3, {"stays": B}, A) == (A, 2000)
    departures.remember(3, {"stays": B}, {"stays": Share()})
    assert departures.waiting(6000, 4, {"stays": B}, A) == (frozenset(), 0)


def test_what_a_dead_worker_had_does_not_wait() -> None:
    departures = Departures(5000)
    led(departures)
    assert departures.waiting(1000, 2, {"stays": B}, ()) == (frozenset(), 0)


def test_the_wait_ends_when_somebody_has_nothing() -> None:
    departures = Departures(5000)
    led(departures)
    assert departures.waiting(1000, 2, {"stays": B}, A)[1] == 5000
    assert departures.waiting(1500, 3, {"stays": B, "back": frozenset()}, A) == (frozenset(), 0)


def test_what_the_leader_itself_moves_does_not_wait() -> None:
    """Its worker has said that it stopped, as it was told to."""
    departures = Departures(5000)
    departures.remember(1, {"x": A, "stays": B}, {"x": Share(revoked=frozenset({Item("a", 0)})), "stays": Share()})
    owned = {"x": A - {Item("a", 0)}, "stays": B}
    assert departures.waiting(1000, 2, owned, {Item("a", 0)}) == (frozenset(), 0)


def test_a_new_leader_lets_wait_what_left_in_good_order() -> None:
    assert Departures(5000).waiting(1000, 8, {"stays": B}, A) == (A, 5000)
    assert Departures(0).waiting(1000, 8, {"stays": B}, A) == (frozenset(), 0)
