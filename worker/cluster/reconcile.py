"""Desired minus running = actions: a pure function, and all that decides about starting and stopping."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

from headwater.worker.runtime.supervised import Work
from headwater.worker.runtime.task_spec import TaskId

from .state import Build, Desired

__all__ = ["Action", "Pause", "Run", "Stop", "reconcile"]


@dataclass(frozen=True, slots=True)
class Run:
    """Start it, or stop what runs under this key and start it anew."""

    key: Hashable
    work: Work


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing but `paused` differs: tell the process."""

    key: Hashable
    work: Work


@dataclass(frozen=True, slots=True)
class Stop:
    key: Hashable


Action = Run | Pause | Stop


def reconcile(desired: Desired, running: Mapping[Hashable, Work]) -> list[Action]:
    """Stops first, so that what takes over a partition finds it free as soon as can be."""
    actions: list[Action] = [Stop(key) for key in running if key not in desired.works and not _undecided(key, desired)]
    for key, work in desired.works.items():
        now = running.get(key)
        if now is None:
            actions.append(Run(key, work))
        elif now != work:
            same = replace(now, paused=work.paused) == work
            actions.append(Pause(key, work) if same else Run(key, work))
    return actions


def _undecided(key: Hashable, desired: Desired) -> bool:
    return isinstance(key, TaskId) and Build(key.connector, key.generation) in desired.undecided and desired.ours(key)
