"""Bulk requests on their way, several at a time, no two with the same document."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from .bulk import Bulk
from .operations import Operation, Place, Rejected


class Flights:
    """Used by one thread. `most`: requests at one time."""

    def __init__(self, bulk: Bulk, most: int) -> None:
        self._bulk, self._most = bulk, most
        self._executor = ThreadPoolExecutor(most, "bulk")
        self._out: dict[Future[list[Rejected]], list[Place]] = {}
        self._places: set[Place] = set()
        self._rejected: list[Rejected] = []

    def __contains__(self, place: Place) -> bool:
        """Is an operation of this document on its way?"""
        return place in self._places

    def send(self, operations: Sequence[Operation]) -> None:
        """Waits while as many requests are out as there may be. Raises what `Bulk.send` does, of any request."""
        places = [operation.place for operation in operations]
        if not self._places.isdisjoint(places):
            self.drain()
        while len(self._out) >= self._most:
            self._land()
        self._out[self._executor.submit(self._bulk.send, list(operations))] = places
        self._places.update(places)

    def drain(self) -> None:
        """Wait for all of them."""
        while self._out:
            self._land()

    def rejected(self) -> list[Rejected]:
        """What the server has refused since the last call, of requests that are back."""
        found, self._rejected = self._rejected, []
        return found

    def _land(self) -> None:
        done, _ = wait(self._out, return_when=FIRST_COMPLETED)
        for future in done:
            self._places.difference_update(self._out.pop(future))
            self._rejected += future.result()

    def close(self) -> None:
        """Waits for requests that are out; their outcome does not matter any more."""
        self._bulk.close()
        self._executor.shutdown(wait=True, cancel_futures=True)
