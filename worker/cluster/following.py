"""What a member asks of the leader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .leading import Refuse
from .membership import CONNECTOR, Item
from .peers import Peers
from .session_keys import SessionKey
from .state import Build, Wanted, builds, plan_of, plans_to_commit, to_fence

__all__ = ["Following"]


class Following:
    """`act` and `rest` belong to one thread and do not wait."""

    def __init__(self, peers: Peers, refuse: Refuse) -> None:
        self._peers = peers
        self._refuse = refuse

    def troubles(self) -> dict[str, str]:
        """Why a connector's tasks do not start yet, by connector, as the leader says."""
        return self._peers.troubles()

    def act(self, wanted: Wanted, key: SessionKey | None) -> None:
        assigned = wanted.assigned
        if assigned.generation < 0 or not assigned.leader_url or (assigned.sessioned and key is None):
            self.rest()
            return
        signed = key if assigned.sessioned else None
        asked: set[str] = set()
        for name, tasks in plans_to_commit(wanted).items():
            build = Build(name, wanted.generation(name))

            def refused(why: str, build: Build = build, tasks: Sequence[Mapping[str, str]] = tasks) -> None:
                self._refuse(build, tasks, why)

            asked.add(self._peers.give_tasks(assigned.leader_url, name, tasks, signed, refused))
        for build, raw in builds(wanted).items():
            name, plan = build.connector, plan_of(wanted, build, raw)
            if plan is None or not to_fence(wanted.connectors[name], plan):
                continue
            # Who runs the connector asks as well: what the leader answers is in its status then.
            if assigned.has(Item(name, 0)) or assigned.has(Item(name, CONNECTOR)):
                asked.add(self._peers.fence(assigned.leader_url, name, signed))
        self._peers.forget_all_but(asked)

    def rest(self) -> None:
        """Nothing is asked now."""
        self._peers.forget_all_but(())
