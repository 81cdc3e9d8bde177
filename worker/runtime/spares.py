"""Processes of tasks that are ready but for their assignment.

Most of a task's start is Python importing modules. A spare has done that and waits at its standard input. It imports
what this worker's tasks have imported of Headwater itself, and with it the libraries beneath; nothing of anybody
else's, whose import may do what it likes, before it is known whose task it becomes.
"""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress

import orjson

from .child import spawn

__all__ = ["Spares"]

log = logging.getLogger(__name__)

_AGAIN_S = 60.0


class Spares:
    """Up to `count` processes of `module`, made while no task has started for `calm_s`. Used under the supervisor's
    lock, `fill` on its thread, with which they die."""

    def __init__(self, module: str, count: int, calm_s: float = 5.0) -> None:
        self._module = module
        self._count = count
        self._calm_s = calm_s
        self._next_at = 0.0
        self._imports: set[str] = set()
        self._ready: list[subprocess.Popen[bytes]] = []

    def take(self, module: str) -> subprocess.Popen[bytes] | None:
        """One for a task that starts now, where there is one that still runs."""
        self._next_at = time.monotonic() + self._calm_s
        while module == self._module and self._ready:
            process = self._ready.pop(0)
            if process.poll() is None:
                return process
            _end(process)
        return None

    def learn(self, modules: Iterable[str]) -> None:
        """What a task has imported. Spares that know less are made anew."""
        if self._count and not self._imports.issuperset(modules):
            self._imports.update(modules)
            self._next_at = time.monotonic() + self._calm_s
            self.end()

    def fill(self, now: float) -> float | None:
        """Start one where one is missing and no task starts. Returns when to look again."""
        for process in [process for process in self._ready if process.poll() is not None]:
            self._ready.remove(process)
            _end(process)
            self._next_at = now + _AGAIN_S
        if len(self._ready) >= self._count:
            return None
        if now < self._next_at:
            return self._next_at
        try:
            process = spawn(self._module)
        except OSError as error:
            log.warning("no process could be started ahead, trying again in %.0f s: %s", _AGAIN_S, error)
            self._next_at = now + _AGAIN_S
            return self._next_at
        self._ready.append(process)
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # the next look finds it dead
            process.stdin.write(orjson.dumps({"ready": sorted(self._imports)}, option=orjson.OPT_APPEND_NEWLINE))
            process.stdin.flush()
        return now

    def end(self) -> None:
        while self._ready:
            _end(self._ready.pop())


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        assert pipe is not None
        with suppress(BrokenPipeError):
            pipe.close()
