"""Work that is done once for each schema: a changed schema is made once, so that converters find it again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
LIMIT: Final = 1024


class Kept(dict[K, V]):
    """`kept(key)` is `make(key)`, made when first asked for; the oldest goes where there are too many."""

    def __init__(self, make: Callable[[K], V], limit: int = LIMIT) -> None:
        super().__init__()
        self._make = make
        self._limit = limit

    __call__ = dict.__getitem__

    def __missing__(self, key: K) -> V:
        if len(self) >= self._limit:
            del self[next(iter(self))]
        made = self[key] = self._make(key)
        return made
