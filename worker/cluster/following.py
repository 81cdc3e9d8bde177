"""What a member asks of the leader."""

from __future__ import annotations

from .membership import Item
from .peers import Peers
from .session_keys import SessionKey
from .state import Wanted, builds, plan_of, plans_to_commit, to_fence

__all__ = ["Following"]


class Following:
    """`act` belongs to one thread and does not wait."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    def act(self, wanted: Wanted, key: SessionKey | None) -> None:
        assigned = wanted.assigned
        if assigned.generation < 0 or not assigned.leader_url or (assigned.sessioned and key is None):
            return
        signed = key if assigned.sessioned else None
        for name, tasks in plans_to_commit(wanted).items():
            self._peers.give_tasks(assigned.leader_url, name, tasks, signed)
        for build, raw in builds(wanted).items():
            plan = plan_of(wanted, build, raw)
            waits = plan is not None and to_fence(wanted.connectors[build.connector], plan)
            if waits and assigned.has(Item(build.connector, 0)):
                self._peers.fence(assigned.leader_url, build.connector, signed)
