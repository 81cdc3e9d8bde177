"""One worker's part in its group, without the network: what it tells of itself, what it was given, what it gives up.

The rules are Kafka Connect's (WorkerCoordinator and DistributedHerder of 4.3), so that Java workers may be in the same
group. One thread calls everything here but `assigned`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from headwater.worker.runtime.lease import Lease, now_ms

from .assignment import Departures, assign
from .connect_protocol import (
    CONFIG_MISMATCH,
    NO_ERROR,
    VERSIONS,
    Assignment,
    MemberState,
    ProtocolError,
    assignment_bytes,
    read_assignment,
    read_state,
    state_bytes,
)
from .membership import Assigned, Elsewhere, Group, Item

__all__ = ["GroupMember"]

log = logging.getLogger(__name__)

_BEHIND_MS: Final = 3_000
"""How long one who is behind on the config topic reads on before it joins again all the same, as in Java."""
_LOOK_MS: Final = 100
_LONGEST_MS: Final = 1_000

_OFFERS: Final[Mapping[str, tuple[str, ...]]] = {
    "sessioned": ("sessioned", "compatible", "default"),
    "compatible": ("compatible", "default"),
    "eager": ("default",),
}
"""By `connect.protocol`: the protocols that all members must have one of in common."""


class GroupMember:
    def __init__(self, group: Group, url: str, protocol: str, session_ms: int, delay_ms: int) -> None:
        """`url`: of this worker's REST. `protocol`: of `connect.protocol`. Times in ms: how long the brokers wait for
        a heartbeat, and how long items wait for a worker that left in good order."""
        self.lease = Lease()
        self._group = group
        self._url = url
        self._offers = _OFFERS[protocol]
        self._session_ms = session_ms
        self._version = VERSIONS[self._offers[0]]
        self._assigned = Assigned(incarnation=self.lease.number)
        self._last: Assignment | None = None
        self._told = frozenset[Item]()
        self._leaving = frozenset[Item]()
        self._outside = True
        self._again = True
        self._again_ms: int | None = None
        self._behind: tuple[int, int] | None = None
        self._departures = Departures(delay_ms)
        self._owners: Mapping[Item, str] = {}
        self._workers: frozenset[str] = frozenset()
        self._farthest = ""
        self.elsewhere: Elsewhere | None = None
        """Any thread may look; see `Membership.elsewhere`."""

    # For the worker, on any thread.

    def assigned(self) -> Assigned:
        now = self._assigned
        return now if now.generation < 0 or self.lease.held else Assigned(incarnation=now.incarnation)

    def owner_url(self, item: Item) -> str:
        """Known to the leader alone, of the last round that it led; empty: nobody has it."""
        return self._owners.get(item, "") if self.assigned().leader else ""

    def workers(self) -> frozenset[str]:
        """URLs of all members, known to the leader alone, of the last round that it led; empty elsewhere."""
        return self._workers if self.assigned().leader else frozenset()

    # What is told to the group.

    def protocols(self) -> list[tuple[str, bytes]]:
        """The protocols offered, most preferred first, with this member's state in each.

        What is to be given up and still runs is told as this member's own, so that nobody else gets it.
        """
        self._again = False
        offset, _ = self._group.config()
        self._told = self._items | self._still_running()
        owned = None
        if self._last is not None:
            owned = Assignment(self._last.leader, self._last.leader_url, self._last.config_offset, self._told)
        state = MemberState(self._url, offset, owned)
        return [(name, state_bytes(state, VERSIONS[name])) for name in self._offers]

    @property
    def _items(self) -> frozenset[Item]:
        return self._assigned.items or frozenset()

    def _still_running(self) -> frozenset[Item]:
        return self._leaving.intersection(self._group.running()) if self._leaving else frozenset()

    def wants_to_join(self) -> bool:
        """Whether there is something to tell, or to hear, beyond what the brokers have asked for."""
        if self._leaving and not self._still_running():
            self._leaving = frozenset()
            self._again = True
        if self._again_ms is not None and now_ms() >= self._again_ms:
            self._again_ms = None
            self._again = True
        if self._behind is not None:
            offset, until_ms = self._behind
            if self._group.config()[0] >= offset or now_ms() >= until_ms:
                self._behind = None
                self._again = True
        return self._again

    def patience_ms(self) -> int:
        """After how long at most `check` and `wants_to_join` are to be asked again."""
        if self._leaving or self._behind is not None:
            return _LOOK_MS
        ends = [] if self._outside else [self.lease.end_ms]
        ends += [] if self._again_ms is None else [self._again_ms]
        return max(0, min([_LONGEST_MS, *(end - now_ms() for end in ends)]))

    def join_again(self) -> None:
        self._again = True

    def may_join(self) -> bool:
        """Under the eager protocol everything is given up first; from then on `assigned` says so."""
        if self._version > 0 or self._outside:
            return True
        if self._items:
            self._leaving = self._items
            self._show(Assigned(self._assigned.generation, self._assigned.member_id, incarnation=self.lease.number))
        return not self._still_running()

    # What is heard from the group.

    def heard(self, sent_ms: int) -> None:
        """The brokers have answered a heartbeat that was sent then: this is a member."""
        if not self._outside and not self.lease.renew(sent_ms + self._session_ms):
            self.lost(self._why_over())

    def check(self) -> None:
        if not self._outside and not self.lease.held:
            self.lost(self._why_over())

    def _why_over(self) -> str:
        return f"for {self._session_ms} ms no heartbeat was sent that the brokers answered"

    def lost(self, why: str) -> None:
        """Everything is given up at once: others may have it already."""
        if self._outside:
            return
        log.warning(
            "this worker has fallen out of its group: %s. Its %d connectors and tasks are stopped, it joins anew",
            why,
            len(self._items),
        )
        self.lease.end()
        self._outside = self._again = True
        self._told = self._leaving = frozenset()
        self._behind = self._again_ms = None
        self._owners = {}
        self.elsewhere = None
        self._show(Assigned(incarnation=self.lease.number))

    def joined(self, generation: int, member_id: str, protocol: str, data: bytes, sent_ms: int) -> None:
        """A round is over. `sent_ms`: when a heartbeat was sent that the brokers have answered since it began.

        Raises `ProtocolError`.
        """
        given = read_assignment(data)
        self._version = VERSIONS.get(protocol, self._version)
        if self._outside:
            self.lease.grant(sent_ms + self._session_ms)
            self._outside = False
        items = given.assigned if self._version == 0 else (self._told - given.revoked) | given.assigned
        self._leaving = given.revoked if self._version > 0 else frozenset()
        self._last = given
        self._again_ms = now_ms() + given.delay_ms if given.delay_ms > 0 else None
        leads = given.leader == member_id
        offset = given.config_offset
        self.elsewhere = None
        if given.error == CONFIG_MISMATCH:
            self.elsewhere = Elsewhere(self._farthest if leads else given.leader_url, offset)
        if given.error != NO_ERROR:
            self._catch_up(given, leads)
            offset = self._assigned.config_offset
        self._show(
            Assigned(
                generation,
                member_id,
                leads,
                given.leader_url,
                offset,
                items,
                incarnation=self.lease.number,
                sessioned=self._version == VERSIONS["sessioned"],
            )
        )

    def _catch_up(self, given: Assignment, leads: bool) -> None:
        if given.error != CONFIG_MISMATCH:
            log.warning("the leader %s of this group answers with error %d; joining again", given.leader, given.error)
        offset = self._group.config()[0]
        log.info(
            "the config topic is known up to %d elsewhere in the group, here up to %d", given.config_offset, offset
        )
        if leads or offset < given.config_offset:
            self._behind = given.config_offset, now_ms() + _BEHIND_MS
        else:
            self._again = True

    def _show(self, assigned: Assigned) -> None:
        self._assigned = assigned
        self._group.changed()

    # The leader's work.

    def assign(self, leader: str, protocol: str, generation: int, states: Mapping[str, bytes]) -> dict[str, bytes]:
        """Each member's assignment from each member's state. `generation`: of the round that is about to end."""
        version = VERSIONS[protocol]
        members = _readable(states)
        offset, wanted = self._group.config()
        newest = max(state.config_offset for state in members.values())
        url = members[leader].url
        if newest > offset:
            log.info("another member knows the config topic up to %d, this leader up to %d; reading on", newest, offset)
            self._farthest = max(members.values(), key=lambda state: state.config_offset).url
            behind = Assignment(leader, url, newest, error=CONFIG_MISMATCH)
            return dict.fromkeys(states, assignment_bytes(behind, version))
        owned = {member: state.items if version else frozenset[Item]() for member, state in members.items()}
        returning = set(wanted).intersection(self._group.returning()) if version else set[Item]()
        waiting, delay_ms = self._departures.waiting(now_ms(), generation, owned, returning)
        shares = assign(owned, wanted, waiting)
        self._departures.remember(generation, owned, shares)
        self._workers = frozenset(state.url for state in members.values())
        self._owners = {
            item: members[member].url
            for member, share in shares.items()
            for item in (owned[member] | share.assigned) - share.revoked
        }
        moved = sum(len(share.assigned) for share in shares.values())
        log.info(
            "round %d of the group: %d members, %d connectors and tasks, %d handed out, %d taken back, %d wait %d ms",
            generation,
            len(members),
            len(wanted),
            moved,
            sum(len(share.revoked) for share in shares.values()),
            len(waiting),
            delay_ms,
        )
        nothing = Assignment(leader, url, offset)
        return dict.fromkeys(states, assignment_bytes(nothing, version)) | {
            member: assignment_bytes(Assignment(leader, url, offset, share.assigned, share.revoked, delay_ms), version)
            for member, share in shares.items()
        }


def _readable(states: Mapping[str, bytes]) -> dict[str, MemberState]:
    """Those that say nothing that can be understood get nothing."""
    members = {}
    for member, data in states.items():
        try:
            members[member] = read_state(data)
        except ProtocolError as error:
            log.error("member %s of the group gets nothing: %s", member, error)
    return members
