"""What a worker asks of its group, and the group of a worker. Standalone is a group of one (`alone.py`)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

__all__ = ["CONNECTOR", "Assigned", "Elsewhere", "Group", "Item", "Membership"]

CONNECTOR: Final = -1
"""In place of a task's number: the connector itself."""


class Item(NamedTuple):
    """What is handed out to members. The owner of (connector, `CONNECTOR`) plans its tasks and runs its view's job."""

    connector: str
    task: int


@dataclass(frozen=True, slots=True)
class Assigned:
    """What this member has now. `generation` -1: it is no member at the moment, and `items` is empty.

    `config_offset`: the config topic must have been read up to there before `items` mean anything.
    `incarnation` rises whenever membership is lost: what was started under another one must be stopped, even where its
    item is assigned again, for somebody else may have had it meanwhile. It is the lease's as well.
    `sessioned`: requests between workers are signed (Connect's protocol `sessioned`).
    """

    generation: int = -1
    member_id: str = ""
    leader: bool = False
    leader_url: str = ""
    config_offset: int = -1
    items: frozenset[Item] | None = frozenset()
    """None: everything there is."""
    incarnation: int = 0
    sessioned: bool = False

    def has(self, item: Item) -> bool:
        return self.items is None or item in self.items


class Elsewhere(NamedTuple):
    """The last round could not be assigned: members of the group know the config topic up to different offsets, the
    farthest one up to `offset`. `url`: the other worker of the two, as far as this one can tell."""

    url: str
    offset: int


class Group(Protocol):
    """The worker, as its membership sees it. Methods are called on the membership's thread and must not wait."""

    def config(self) -> tuple[int, Collection[Item]]:
        """Up to which offset the config topic has been read, and what there is to hand out.

        The offset as Kafka Connect counts it: that of the last record read (not of a transaction's marker) + 1, -1
        where there is none. Java workers leave the group where a member claims an offset that they cannot read.
        """
        ...

    def running(self) -> Collection[Item]:
        """What still runs here; what is to be given up is handed out to others when it is gone from here."""
        ...

    def returning(self) -> Collection[Item]:
        """Asked of the leader: items whose worker left in good order (their status says UNASSIGNED). Where they were
        left by a worker that is gone, they wait for it to come back; all others are handed out at once."""
        ...

    def changed(self) -> None:
        """`assigned` has another answer than before."""
        ...


class Membership(Protocol):
    """Any thread may call the methods; none of them waits, but `start` and `stop`."""

    def start(self, group: Group) -> None:
        """Raises `ConfigError`, `LogError` where the group cannot be reached with these settings."""
        ...

    def assigned(self) -> Assigned: ...

    @property
    def lease(self) -> str | None:
        """Path for `runtime.lease.LeaseReader` in the task processes; None: nobody else could take over."""
        ...

    def owner_url(self, item: Item) -> str:
        """Where the leader thinks that it runs; empty where it does not, or this is not the leader."""
        ...

    def workers(self) -> frozenset[str]:
        """URLs of all members, known to the leader alone; empty elsewhere."""
        ...

    def elsewhere(self) -> Elsewhere | None:
        """None: the last round was assigned."""
        ...

    def rejoin(self) -> None:
        """What there is to hand out has changed: let the leader assign anew."""
        ...

    def stop(self) -> None:
        """Leave, so that others take over at once. Call it when nothing runs here any more. May be called twice."""
        ...
