"""One sink worker: its first load of a topic, then the changes that came while it was stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .measure import Timing, Watched, until_done
from .peers import Peer, stop_connector
from .source_run import PATIENCE_S, WARM_PATIENCE_S
from .views import ALL, Goal, View


@dataclass
class SinkRun:
    """`warm` makes the config of a connector that reads the warm topic, by its name. `path`: what the table says.
    `name`: of the connector, and so of its consumer group: nobody else on this broker has it."""

    path: str
    name: str
    peer: Peer
    config: Mapping[str, str]
    warm: Callable[[str], Mapping[str, str]]
    view: View
    servers: Mapping[str, int]

    def load(self, goal: Goal, warm_rows: int) -> Timing:
        """From the request that creates the connector until readers see all of the topic."""
        return replace(self._run(f"{self.name}_warm_1", warm_rows, "config", dict(self.config), goal), rows=goal.events)

    def follow(self, goal: Goal, changes: int, warm_rows: int) -> Timing:
        """From the request that resumes the connector. `changes`: of `goal`'s events, those since `load`."""
        timing = self._run(f"{self.name}_warm_2", warm_rows, "resume", None, goal)
        return replace(timing, rows=changes, start_s=None)

    def _run(self, warm: str, warm_rows: int, verb: str, body: object, goal: Goal) -> Timing:
        began = time.perf_counter()
        self.peer.start()
        notes = {"worker start s": round(time.perf_counter() - began, 1)}
        self._warm_up(warm, warm_rows)
        timing = until_done(
            Watched([self.peer.pid], self.servers),
            lambda: self.peer.request("PUT", f"/connectors/{self.name}/{verb}", body),
            lambda: self.view.progress(goal),
            lambda progress: progress == ALL,
            PATIENCE_S,
        )
        stop_connector(self.peer, self.name)
        self.peer.stop()
        self.view.check(goal)
        return replace(timing, notes=notes)

    def _warm_up(self, name: str, rows: int) -> None:
        self.peer.request("PUT", f"/connectors/{name}/config", dict(self.warm(name)))
        deadline = time.monotonic() + WARM_PATIENCE_S
        while self.view.warm_rows(name) < rows:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.peer.name} did not get warm:\n{self.peer.tail()}")
            time.sleep(0.2)
        stop_connector(self.peer, name)
