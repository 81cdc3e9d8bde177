"""Keeps processes running: starts, restarts with backoff, stops with grace, knows the state of each.

One thread does it all, because on Linux a child dies with the thread that started it. What a process does to itself
(crash, leak, hang) ends at its own border.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from headwater.worker.observe.health import Stall
from headwater.worker.observe.process_use import process_use

from .child import Child
from .memory_cap import excess
from .spares import Spares
from .startups import Startups
from .supervised import Supervised, Work, describe

__all__ = ["Supervisor"]

log = logging.getLogger(__name__)

_TICK_S = 1.0
_MEASURE_S = 2.0
_BREATH_S = 0.002
"""After each start: whoever waits for the lock gets it before the next one."""


class Supervisor:
    """Every method may be called from any thread; none waits, but `stop_all`."""

    def __init__(
        self,
        grace_s: float = 5.0,
        stall: Stall | None = None,
        on_change: Callable[[], None] = lambda: None,
        spares: Spares | None = None,
    ) -> None:
        self._grace_s = grace_s
        self._stall = stall or Stall()
        self._on_change = on_change
        self._changed = threading.Condition(threading.RLock())
        self._items: dict[Hashable, Supervised] = {}
        self._log_levels: dict[str, str] = {}
        self._spares = spares or Spares("", 0)
        self.startups = Startups()
        self._news = False
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def run(self, key: Hashable, work: Work) -> None:
        """This has to run under this key. What runs there with another assignment is stopped first."""
        with self._changed:
            item = self._items.get(key)
            if item is None:
                self._items[key] = Supervised(key, work, policy=work.restart)
            elif item.stopping or item.work != work:
                self._replace(item, work)
            self._notify()

    def pause(self, key: Hashable, work: Work) -> None:
        """Take on a `work` that differs in `paused` alone: the process goes on and is told."""
        with self._changed:
            item = self._items.get(key)
            if item is None or item.stopping:
                self.run(key, work)
                return
            item.work = work
            if item.child is not None:
                item.child.send("pause" if work.paused else "resume")

    def restart(self, key: Hashable) -> bool:
        """Stop it gracefully and start it with a clean slate; also what has FAILED. False: nothing has this key."""
        with self._changed:
            item = self._items.get(key)
            if item is None:
                return False
            self._replace(item, item.next_work or item.work)
            self._notify()
            return True

    def stop(self, key: Hashable) -> None:
        """Stop it gracefully, after the grace by force, and forget it."""
        with self._changed:
            item = self._items.get(key)
            if item is not None:
                item.next_work = None
                self._ask_to_stop(item)
                self._notify()

    def send(self, key: Hashable, command: str, **fields: Any) -> bool:
        """Tell a running process something. False: it does not run now."""
        with self._changed:
            item = self._items.get(key)
            if item is None or item.child is None:
                return False
            item.child.send(command, **fields)
            return True

    def set_log_levels(self, levels: Mapping[str, str]) -> None:
        """Levels of loggers by name, for every process: those that run and those that start later."""
        with self._changed:
            self._log_levels = dict(levels)
            for item in self._items.values():
                if item.child is not None:
                    item.child.send("log_levels", levels=self._log_levels)

    def stop_all(self) -> None:
        """Returns when no process is left. Nothing is started any more."""
        with self._changed:
            self._ending = True
            for key in list(self._items):
                self.stop(key)
        self._thread.join(timeout=self._grace_s + 15)

    def works(self) -> dict[Hashable, Work]:
        """What runs or is about to, by key; what is being stopped is left out."""
        with self._changed:
            return {
                key: item.next_work or item.work
                for key, item in self._items.items()
                if item.next_work is not None or not item.stopping
            }

    def snapshot(self, connector: str | None = None) -> list[dict[str, Any]]:
        """The state of every process, or of a connector's tasks, as plain values; see `supervised.describe`."""
        with self._changed:
            items = [i for i in self._items.values() if connector is None or i.work.who.get("connector") == connector]
            return [describe(item, self._stall) for item in items]

    def _replace(self, item: Supervised, work: Work) -> None:
        item.failures = item.fatal_failures = item.restarts = 0
        if item.child is None:
            item.work, item.next_work, item.start_at = work, None, 0.0
            item.state, item.stopping, item.policy = "UNASSIGNED", False, work.restart
            return
        item.next_work = work
        self._ask_to_stop(item)

    def _ask_to_stop(self, item: Supervised) -> None:
        if item.child is None:
            del self._items[item.key]
        elif not item.stopping:
            item.stopping = True
            item.kill_at = time.monotonic() + self._grace_s
            item.child.send("stop")

    def _notify(self) -> None:
        """There is something to do. Call it with the lock in hand."""
        self._news = True
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._ending and not self._items:
                    self._spares.end()
                    return
                self._news = False
                items = list(self._items.values())
            now = time.monotonic()
            due = [self._attend(item, now) for item in items]
            with self._changed:
                if not self._news and not self._ending:
                    due.append(self._spares.fill(now))
                if not self._news:
                    self._changed.wait(min([_TICK_S, *(at - now for at in due if at is not None and at > now)]))

    def _attend(self, item: Supervised, now: float) -> float | None:
        """Start or kill it where it is time to. Returns when to look again."""
        with self._changed:
            if self._items.get(item.key) is not item:
                return None
            if item.child is not None:
                return self._look_after(item, now)
            if item.state == "FAILED" or self._ending:
                return None
            if now < item.start_at:
                return item.start_at
            self._start(item)
        time.sleep(_BREATH_S)
        return None

    def _look_after(self, item: Supervised, now: float) -> float | None:
        """Of one that runs."""
        assert item.child is not None
        if now >= item.measure_at:
            item.measure_at = now + _MEASURE_S
            self._measure(item, now)
        if item.kill_at is not None and now >= item.kill_at:
            log.warning(
                "%s did not end within %.0f s and is killed", item.work.name, self._grace_s, extra=item.work.speaker
            )
            item.child.kill()
            item.kill_at = None
        return item.kill_at

    def _measure(self, item: Supervised, now: float) -> None:
        """Look at what the process takes; one that takes too much is asked to stop, and counts as failed then."""
        assert item.child is not None
        item.use = process_use(item.child.pid)
        item.clock.enter("STALLED" if item.stalled(self._stall) else item.state)
        why = excess(item.use, item.memory_max_bytes)
        if why and not item.stopping and not item.excess:
            item.excess, item.kill_at = why, now + self._grace_s
            log.warning("%s is stopped: %s", item.work.name, why, extra=item.work.speaker)
            item.child.send("stop")

    def _start(self, item: Supervised) -> None:
        self.startups.attempted(item)
        try:
            child = Child(
                item.work.module,
                {**item.work.assignment, "paused": item.work.paused, "log_levels": self._log_levels},
                lambda event: self._take(item, event),
                lambda status, tail: self._ended(item, status, tail),
                self._spares.take(item.work.module),
            )
        except (OSError, RuntimeError) as error:  # the latter where there are too many threads
            item.reason = f"its process could not be started: {error}"
            item.start_at = time.monotonic() + 5
            self.startups.ended(item)
            log.error("%s: %s; trying again in 5 s", item.work.name, item.reason, extra=item.work.speaker)
            return
        item.starting(child)
        log.info("%s runs in process %d", item.work.name, child.pid, extra=item.work.speaker)

    def _take(self, item: Supervised, event: dict[str, Any]) -> None:
        quiet = event.get("event") == "metrics"
        with self._changed:
            if event.get("event") == "imported":
                self._spares.learn(event["modules"])
            item.take(event)
            if not quiet:
                self.startups.told(item)
        if not quiet:
            self._on_change()

    def _ended(self, item: Supervised, status: int, tail: str) -> None:
        """Called on the child's thread."""
        with self._changed:
            item.child = item.use = item.kill_at = None
            if item.stopping:
                self._after_stop(item)
            elif item.excess:
                self._after_failure(item, status, tail)
            elif item.work.once and status == 0:
                del self._items[item.key]
            elif status == 0:
                log.info("%s ended by itself and is started again", item.work.name, extra=item.work.speaker)
                item.start_at = time.monotonic() + 1
            else:
                self._after_failure(item, status, tail)
            self._notify()
        self._on_change()

    def _after_stop(self, item: Supervised) -> None:
        item.stopping = False
        if item.next_work is None or self._ending:
            del self._items[item.key]
            log.info("%s has stopped", item.work.name, extra=item.work.speaker)
            return
        item.work, item.next_work = item.next_work, None
        item.state, item.reason, item.trace, item.start_at = "UNASSIGNED", "", "", 0.0
        item.policy = item.work.restart

    def _after_failure(self, item: Supervised, status: int, tail: str) -> None:
        self.startups.ended(item)
        delay = item.failed(status, tail)
        item.clock.enter(item.state)
        if delay is None:
            log.error(
                "%s has FAILED and is not started again by itself: %s. Put it right, then restart it",
                item.work.name,
                item.reason,
                extra=item.work.speaker,
            )
            return
        item.restarts += 1
        item.start_at = time.monotonic() + delay
        text = "%s failed and is started again in %.1f s: %s"
        log.warning(text, item.work.name, delay, item.reason, extra=item.work.speaker)
