"""The group of a worker that stands alone: it leads, and everything is its own."""

from __future__ import annotations

from .membership import Assigned, Elsewhere, Group, Item

__all__ = ["ALL", "Alone"]

ALL = Assigned(generation=0, leader=True, items=None)


class Alone:
    """A `Membership` that needs nobody."""

    def start(self, group: Group) -> None:
        return

    def assigned(self) -> Assigned:
        return ALL

    @property
    def lease(self) -> str | None:
        return None

    def owner_url(self, item: Item) -> str:
        return ""

    def workers(self) -> frozenset[str]:
        return frozenset()

    def elsewhere(self) -> Elsewhere | None:
        return None

    def rejoin(self) -> None:
        return

    def stop(self) -> None:
        return
