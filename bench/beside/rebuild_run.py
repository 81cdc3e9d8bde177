"""A rebuild of a view by a running worker: replayed from offset zero, verified against the log, swapped in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from .measure import Timing, Watched, until_done
from .peers import Peer, stop_connector
from .source_run import PATIENCE_S

LOOK_EVERY_S = 0.5
"""The worker is asked, and answers on its own CPU time."""


def rebuild(peer: Peer, view: str, events: int, servers: Mapping[str, int]) -> Timing:
    """From the request to its end, with every stage's time in the notes; `events`: on the view's topic.

    The view has all of the topic and its connector is stopped, before and after. Raises `RuntimeError` where the
    rebuild fails.
    """
    peer.start()
    peer.request("PUT", f"/connectors/{view}/resume")
    job = _Job(peer, view)
    timing = until_done(
        Watched([peer.pid], servers),
        job.ask,
        job.progress,
        lambda progress: job.outcome is not None,
        PATIENCE_S,
        LOOK_EVERY_S,
    )
    if job.outcome != "done":
        raise RuntimeError(f"the rebuild ended as {job.outcome}: {job.last}\n{peer.tail()}")
    stop_connector(peer, view)
    peer.stop()
    return replace(timing, rows=events, start_s=None, notes={"stages s": job.stages_s()})


@dataclass
class _Job:
    peer: Peer
    view: str
    name: str = ""
    outcome: str | None = None
    last: Any = None
    looks: int = 0
    since: dict[str, float] = field(default_factory=dict)

    def ask(self) -> None:
        self.name = self.peer.request("POST", f"/views/{self.view}/rebuild", {"keep": "0s"})["job"]["id"]

    def progress(self) -> int:
        """The number of looks that found the job running, and one more once it has ended."""
        if self.outcome is not None:
            return self.looks
        answer = self.peer.request("GET", f"/views/{self.view}/progress")
        running = answer["job"]
        self.looks += 1
        if running is not None and running["id"] == self.name:
            self.since.setdefault(running["stage"], time.perf_counter())
        else:
            self.last = answer["last"]
            self.outcome = self.last["outcome"]
            self.since["end"] = time.perf_counter()
        return self.looks

    def stages_s(self) -> dict[str, float]:
        starts = [*self.since.items()]
        return {name: round(after[1] - at, 1) for (name, at), after in pairwise(starts)}
