"""Do the members of a group read the same config topic? Nothing in the protocol says so, only how far each one is."""

from __future__ import annotations

from collections.abc import Collection

from .membership import Assigned, Elsewhere

__all__ = ["SameTopic"]

PATIENCE_S = 30.0
"""A member may be behind for some time: it is read on, and what was deleted is taken from all."""


class SameTopic:
    """Give `look` all there is to know, again and again. Belongs to one thread."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._since: float | None = None
        self._position = -1

    def look(
        self, assigned: Assigned, elsewhere: Elsewhere | None, position: int, known: Collection[str], now_s: float
    ) -> str:
        """What is wrong, empty where nothing is or where it may still pass by itself. `position`: the next offset to
        read here; `known`: the connectors that are known here."""
        why = self._difference(assigned, elsewhere, position, known)
        if not why:
            self._since = None
            return ""
        if self._since is None or position != self._position:
            self._since, self._position = now_s, position
        if now_s - self._since < PATIENCE_S:
            return ""
        return (
            f"{why}. This worker and the other one do not seem to have the same config.storage.topic, and what they "
            "disagree on does not run. Give all workers of this group.id the same one, or each cluster a group.id of "
            "its own, and start them again"
        )

    def _difference(
        self, assigned: Assigned, elsewhere: Elsewhere | None, position: int, known: Collection[str]
    ) -> str:
        if assigned.generation < 0 or assigned.items is None:
            return ""
        here = f"the config topic of this worker, {self._topic}, ends at offset {position}"
        if elsewhere is not None:
            return f"{here}; by worker {elsewhere.url} its group goes by one that is known up to {elsewhere.offset}"
        if position < assigned.config_offset:
            return f"{here}; the leader of its group, {assigned.leader_url}, has read {assigned.config_offset}"
        if unknown := sorted({item.connector for item in assigned.items}.difference(known)):
            return f"{here} and knows no connector {unknown[0]}, which the leader, {assigned.leader_url}, hands out"
        return ""
