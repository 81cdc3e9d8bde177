"""Who gets what: pure functions of what members have and what there is, and the little that a leader remembers.

Incremental and cooperative, as Kafka Connect's (KIP-415): members keep what they have, only what must move is taken
from them, and what is taken is handed out in the next round, when it has ended there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from .membership import CONNECTOR, Item

__all__ = ["Departures", "Share", "assign"]


@dataclass(frozen=True, slots=True)
class Share:
    """One member's change: what it gets on top of what it has, and what it has to give up."""

    assigned: frozenset[Item] = frozenset()
    revoked: frozenset[Item] = frozenset()


def assign(
    owned: Mapping[str, Collection[Item]], wanted: Collection[Item], waiting: Collection[Item] = ()
) -> dict[str, Share]:
    """`owned`: what each member of the group has. `wanted`: all there is. `waiting`: not to be handed out yet.

    Connectors and tasks are balanced apart: once everything has moved no member has two of a kind more than another.
    Fewer cannot move for that. What several members have is taken from all of them, as it cannot be known which of them
    may go on with it. While something waits nothing moves for balance: its worker is expected back.
    """
    exists = set(wanted)
    holders = Counter(item for items in owned.values() for item in set(items))
    kept = {
        member: {item for item in items if item in exists and holders[item] == 1} for member, items in owned.items()
    }
    free = exists.difference(holders, waiting)
    result = {member: set(items) for member, items in kept.items()}
    for connectors in (False, True):
        of_kind = {item for item in exists.difference(waiting) if (item.task == CONNECTOR) is connectors}
        room = _room(result, of_kind, balance=not waiting)
        for member, items in result.items():
            surplus = sorted(items & of_kind, key=_spread)[room[member] :]
            items.difference_update(surplus)
        _hand_out(result, free & of_kind, of_kind, room)
    return {
        member: Share(frozenset(result[member] - kept[member]), frozenset(set(items) - result[member]))
        for member, items in owned.items()
    }


def _spread(item: Item) -> tuple[int, str]:
    """What is given up is not all of one connector."""
    return item.task, item.connector


def _room(has: Mapping[str, Collection[Item]], of_kind: set[Item], balance: bool) -> dict[str, int]:
    """How many of a kind each member may have. Who has most gets what does not divide evenly, so that least moves."""
    if not balance:
        return dict.fromkeys(has, len(of_kind))
    least, more = divmod(len(of_kind), max(len(has), 1))
    counts = {member: len(of_kind.intersection(items)) for member, items in has.items()}
    order = sorted(has, key=lambda member: (-counts[member], len(has[member]), member))
    return {member: least + (place < more) for place, member in enumerate(order)}


def _hand_out(result: dict[str, set[Item]], free: Iterable[Item], of_kind: set[Item], room: Mapping[str, int]) -> None:
    counts = {member: len(items & of_kind) for member, items in result.items()}
    for item in sorted(free):
        candidates = [member for member in result if counts[member] < room[member]]
        member = min(candidates, key=lambda one: (counts[one], len(result[one]), one))
        result[member].add(item)
        counts[member] += 1


_NEVER: Final = -2


class Departures:
    """Which items of a worker that left in good order still wait for it: the leader's memory, lost with the leader.

    Nothing waits once there is a member that has nothing: the worker is back, or another one can take its place.
    """

    def __init__(self, delay_ms: int) -> None:
        """`delay_ms`: how long they wait; 0: not at all."""
        self._delay_ms = delay_ms
        self._since: dict[Item, int] = {}
        self._owners: dict[Item, str] = {}
        self._round = _NEVER

    def waiting(
        self,
        now_ms: int,
        generation: int,
        owned: Mapping[str, Collection[Item]],
        returning: Collection[Item],
    ) -> tuple[frozenset[Item], int]:
        """The items that wait, and after how many ms the group must be assigned anew for them (0: nothing waits).

        `returning`: items whose last worker has said that it left in good order. Of those count the ones that a member
        had which is gone; where this leader did not lead the round before, all that nobody has.
        """
        held = {item for items in owned.values() for item in items}
        if not self._delay_ms or any(not items for items in owned.values()):
            self._since.clear()
            return frozenset(), 0
        led = generation == self._round + 1
        candidates = [item for item in returning if item not in held and (not led or self._left(item, owned))]
        self._since = {item: self._since.get(item, now_ms) for item in candidates}
        rest = {item: since + self._delay_ms - now_ms for item, since in self._since.items()}
        waiting = frozenset(item for item, ms in rest.items() if ms > 0)
        return waiting, min((rest[item] for item in waiting), default=0)

    def _left(self, item: Item, owned: Mapping[str, Collection[Item]]) -> bool:
        owner = self._owners.get(item)
        return item in self._since or (owner is not None and owner not in owned)

    def remember(self, generation: int, owned: Mapping[str, Collection[Item]], shares: Mapping[str, Share]) -> None:
        """What was assigned in this round."""
        self._round = generation
        self._owners = {
            item: member
            for member, share in shares.items()
            for item in {*owned[member], *share.assigned}
            if item not in share.revoked
        }
