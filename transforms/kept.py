"""Work that is done once for each schema: a changed schema is made once, so that converters find it again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
LIMIT: Final = 1024


class Kept(Generic[K, V]):
    """`kept(key)` is `make(key)`, made when first asked for; the oldest goes where there are too many."""

    def __init__(self, make: Callable[[K], V], limit: int = LIMIT) -> None:
        self._make = make
        self._limit = limit
        self._made: dict[K, V] = {}

    def __call__(self, key: K) -> V:
        try:
            return self._made[key]
        except KeyError:
            if len(self._made) >= self._limit:
                del self._made[next(iter(self._made))]
            made = self._made[key] = self._make(key)
            return made
