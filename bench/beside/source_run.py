"""One source worker: its snapshot, and later how fast it reads what was written while it was stopped."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .measure import Timing, Watched, until_done
from .peers import Peer, stop_connector
from .table import Changes
from .topic import Topic

CONNECTOR, WARM = "bench", "warm"
PATIENCE_S = 3600.0
WARM_PATIENCE_S = 600.0


@dataclass
class SourceRun:
    """`config`, `warm`: connectors of the table and of the small one that a new worker reads first, to be warm."""

    peer: Peer
    config: Mapping[str, str]
    warm: Mapping[str, str]
    topic: Topic
    warm_topic: Topic
    servers: Mapping[str, int]
    starting_s: float = 0.0

    def snapshot(self, rows: int, warm_rows: int) -> Timing:
        """From the request that creates the connector to the last row on the topic. The worker is stopped after it."""
        self._warm_up("config", dict(self.warm), warm_rows)
        timing = self._measure("config", dict(self.config), rows, 0)
        self.peer.stop()
        return timing

    def stream(self, changes: Changes, warm_rows: int) -> Timing:
        """From the request that resumes the connector to the last change on the topic."""
        self._warm_up("resume", None, warm_rows)
        timing = self._measure("resume", None, changes.events, changes.deletes)
        self.peer.stop()
        return timing

    def _warm_up(self, verb: str, body: object, rows: int) -> None:
        before = self.warm_topic.end()
        began = time.perf_counter()
        self.peer.start()
        self.starting_s = time.perf_counter() - began
        self.peer.request("PUT", f"/connectors/{WARM}/{verb}", body)
        deadline = time.monotonic() + WARM_PATIENCE_S
        while self.warm_topic.end() < before + rows:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.peer.name} did not get warm:\n{self.peer.tail()}")
            time.sleep(0.2)
        stop_connector(self.peer, WARM)

    def _measure(self, verb: str, body: object, events: int, tombstones: int) -> Timing:
        before = self.topic.end()

        def complete(offsets: int) -> bool:
            return offsets >= events + tombstones and self.topic.read(before).values >= events

        timing = until_done(
            Watched([self.peer.pid], self.servers),
            lambda: self.peer.request("PUT", f"/connectors/{CONNECTOR}/{verb}", body),
            lambda: self.topic.end() - before,
            complete,
            PATIENCE_S,
        )
        stop_connector(self.peer, CONNECTOR)
        found = self.topic.read(before)
        if (found.values, found.tombstones) != (events, tombstones):
            raise RuntimeError(
                f"{self.peer.name} wrote {found.values:,} events and {found.tombstones:,} tombstones "
                f"for {events:,} and {tombstones:,}"
            )
        notes = {"value bytes": round(found.value_bytes / found.values), "worker start s": round(self.starting_s, 1)}
        return replace(timing, rows=events, notes=notes)
