"""Asks plugins, each in a process of its own, how they split their work; never holds up the worker."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock, Thread

from headwater.worker.api import ConfigError, HeadwaterError
from headwater.worker.observe.observed import Starts
from headwater.worker.runtime.errors import Backoff
from headwater.worker.runtime.plugin_process import run_plugin_call

from .plugin_slots import PluginSlots
from .state import Build, TaskPlan
from .view_state import RawConfig

__all__ = ["Planner"]

log = logging.getLogger(__name__)

_AT_ONCE = 2
_SLOW_AT_ONCE = 8
_SLOW_AFTER_S = 10.0
_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 60.0


class Planner:
    """`plans` always has the newest answer of each build. `on_change` is called when there is a new one."""

    def __init__(self, settings: Mapping[str, str], data_dir: Path, on_change: Callable[[], None]) -> None:
        self._settings = dict(settings)
        self._data_dir = data_dir
        self._on_change = on_change
        self._lock = Lock()
        self._plans: dict[Build, TaskPlan] = {}
        self._asking: dict[Build, RawConfig] = {}
        self._again_at: dict[Build, tuple[float, Backoff]] = {}
        self._slots = PluginSlots(_AT_ONCE, _SLOW_AT_ONCE, _SLOW_AFTER_S)
        self._starts = Starts()

    @property
    def starts(self) -> Starts:
        """How many plans were asked for, and what came of it."""
        with self._lock:
            return self._starts

    def plans(self) -> dict[Build, TaskPlan]:
        with self._lock:
            return dict(self._plans)

    def want(self, builds: Mapping[Build, RawConfig]) -> None:
        """These are all that matter: ask for those without an answer to their present config, forget others."""
        with self._lock:
            for gone in [build for build in self._plans if build not in builds]:
                del self._plans[gone]
                self._again_at.pop(gone, None)
            for build, raw in builds.items():
                if self._due(build, raw):
                    # A daemon: a worker that stops does not wait for a plugin. It takes the lock at its end.
                    Thread(target=self._ask, args=(build, raw), name=f"plan-{build.connector}", daemon=True).start()
                    self._asking[build] = raw

    def forget(self, connector: str) -> None:
        """Answers that failed count no more; those that did not stay until there are new ones."""
        with self._lock:
            for build in [b for b, plan in self._plans.items() if b.connector == connector and plan.error]:
                del self._plans[build]
                self._again_at.pop(build, None)

    def refuse(self, build: Build, tasks: Sequence[Mapping[str, str]], why: str) -> None:
        """This plan cannot be written down: the connector fails with it until its config changes or it is restarted."""
        with self._lock:
            plan = self._plans.get(build)
            if plan is None or plan.error or plan.tasks != tuple(tasks):
                return
            self._plans[build] = replace(plan, error=why, permanent=True)
        log.error("connector %s has no tasks: %s", build.connector, why)
        self._on_change()

    def _due(self, build: Build, raw: RawConfig) -> bool:
        if build in self._asking:
            return False
        plan = self._plans.get(build)
        if plan is None or dict(plan.raw) != dict(raw):
            return True
        again = self._again_at.get(build)
        return bool(plan.error) and not plan.permanent and again is not None and time.monotonic() >= again[0]

    def _ask(self, build: Build, raw: RawConfig) -> None:
        try:
            with self._slots.one():
                plan = TaskPlan.of(raw, run_plugin_call("plan_tasks", raw, self._settings, self._data_dir))
        except HeadwaterError as error:
            plan = TaskPlan(raw, error=str(error), permanent=isinstance(error, ConfigError))
        except Exception as error:  # it must not be lost with the thread
            log.exception("planning connector %s failed", build.connector)
            plan = TaskPlan(raw, error=f"{type(error).__name__}: {error}")
        with self._lock:
            self._asking.pop(build, None)
            tried, good, bad = self._starts
            self._starts = Starts(tried + 1, good + (not plan.error), bad + bool(plan.error))
            before = self._plans.get(build)
            self._plans[build] = plan
            if plan.error:
                self._later(build, plan, fresh=before is None or dict(before.raw) != dict(raw))
            else:
                self._again_at.pop(build, None)
        self._on_change()

    def _later(self, build: Build, plan: TaskPlan, fresh: bool) -> None:
        _, backoff = self._again_at.get(build, (0.0, Backoff(_FIRST_DELAY_S, _LONGEST_DELAY_S)))
        if fresh:
            backoff.reset()
        delay = backoff.next()
        self._again_at[build] = (time.monotonic() + delay, backoff)
        then = "change the config" if plan.permanent else f"trying again in {delay:.0f} s"
        log.error("connector %s has no tasks, %s: %s", build.connector, then, plan.error)
