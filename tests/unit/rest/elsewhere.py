"""A member of a cluster that does not lead: what it is asked to write is done by another worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headwater.worker.cluster.refusals import NotAllowed, NotLeader
from headwater.worker.cluster.standalone import Standalone


class Elsewhere(Standalone):
    """Reads what `worker` knows. `leader`: where the leader answers, "" where nobody leads, None where it leads."""

    def __init__(self, worker: Standalone, leader: str | None) -> None:
        self.__dict__.update(worker.__dict__)
        self.leader = leader
        self.owner: str | None = None
        self.signed_with = "right"
        self.planned: list[tuple[str, Sequence[Mapping[str, str]]]] = []
        self.fenced: list[str] = []

    def leader_url(self) -> str | None:
        return self.leader

    def owner_url(self, name: str, task: int) -> str | None:
        return self.owner

    def check_signature(self, body: bytes, headers: Mapping[str, str]) -> None:
        if headers.get("X-Connect-Authorization") != self.signed_with:
            raise NotAllowed("Internal request contained invalid signature.")

    def put_task_configs(self, name: str, configs: Sequence[Mapping[str, str]]) -> None:
        self.planned.append((name, configs))

    def fence(self, name: str) -> None:
        self.fenced.append(name)

    def set_state(self, name: str, state: str) -> None:
        if self.leader is None:  # it believed so until now
            self.leader = ""
            raise NotLeader("another worker leads")
        super().set_state(name, state)

    def job_progress(self, view: str) -> dict[str, Any] | None:
        return None
