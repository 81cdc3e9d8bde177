"""Operations that wait for a bulk request: of each document the newest."""

from __future__ import annotations

from .operations import Operation, Place


class Pending:
    """What one task holds in memory."""

    def __init__(self) -> None:
        self._newest: dict[Place, Operation] = {}
        self._records = 0
        self._bytes = 0

    def __len__(self) -> int:
        """Documents."""
        return len(self._newest)

    @property
    def records(self) -> int:
        """With those that newer ones have replaced."""
        return self._records

    @property
    def held_bytes(self) -> int:
        return self._bytes

    def get(self, place: Place) -> Operation | None:
        return self._newest.get(place)

    def put(self, operation: Operation) -> None:
        """Nothing where a newer version of the document waits; an equal one is replaced."""
        earlier = self._newest.get(operation.place)
        if earlier is not None:
            if stale(operation.version, earlier.version):
                return
            operation.before = earlier
        self._newest[operation.place] = operation
        self._records += 1
        self._bytes += operation.size

    def take(self) -> list[Operation]:
        """All of them."""
        found = list(self._newest.values())
        self._newest, self._records, self._bytes = {}, 0, 0
        return found


def stale(version: int | None, held: int | None) -> bool:
    return version is not None and held is not None and version < held
