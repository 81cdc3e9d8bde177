"""The thread that holds running processes against what the log says, and sets them right."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headwater.worker.api import HeadwaterError
from headwater.worker.log.contract import Log
from headwater.worker.runtime.internal_topics import InternalTopics
from headwater.worker.runtime.supervisor import Supervisor

from .config_topic import ConfigTopic, task_records
from .fencing import Fencing, Round
from .open_transactions import end_open_transactions
from .planner import Planner
from .reconcile import Pause, Run, reconcile
from .state import Build, JobId, Wanted, builds, desired, to_fence
from .view_records import ViewRecords

__all__ = ["Reconciler"]

log = logging.getLogger(__name__)

EVERY_S = 0.3
LOOK_S = 2.0
FIRST_LOOK_S = 90.0
STOP_S = 5.0


class Reconciler:
    """`wanted` is the newest picture; any thread may read it."""

    def __init__(self, the_log: Log, settings: Mapping[str, str], data_dir: Path, supervisor: Supervisor) -> None:
        self._log = the_log
        self._settings = dict(settings)
        self._data_dir = data_dir
        self._supervisor = supervisor
        self._planner = Planner(settings, data_dir, self.wake)
        self._awake = threading.Event()
        self._ending = False
        self._rounds = threading.Condition()
        self._round = 0
        self._told: dict[str, Any] = {}
        self.wanted = Wanted(settings=self._settings, data_dir=str(data_dir))
        self.from_files: list[str] = []
        self.trouble = ""
        """Why the worker cannot compare what runs with what should, while that is so."""
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)

    def start(self) -> None:
        """Returns when what the log says is known; nothing runs yet. Raises `LogError`, `Retriable`."""
        topics = InternalTopics.of(self._settings)
        self._config = ConfigTopic(self._log, topics.configs)
        self._views = ViewRecords(self._log, topics.views)
        self._fencing = Fencing(self._log, self._config, self._settings, self._data_dir, self.wake)
        end_open_transactions(self._log, topics, self._settings)
        self._config.refresh(FIRST_LOOK_S)
        self._views.refresh(FIRST_LOOK_S)
        self._look()
        self._thread.start()

    def wake(self) -> None:
        self._awake.set()

    def settle(self, timeout_s: float = 10.0) -> None:
        """Wait until a whole round has been done that began after this call: what was written before is in effect."""
        with self._rounds:
            goal = self._round + 2
            self.wake()
            self._rounds.wait_for(lambda: self._round >= goal or self._ending, timeout_s)

    def plan_again(self, connector: str) -> None:
        """Ask the plugin anew how the connector's work is split, also where it failed for good."""
        self._planner.forget(connector)
        self.wake()

    def stop(self) -> None:
        """Start and stop nothing any more. What runs goes on. A log that does not answer is not waited for."""
        with self._rounds:
            self._ending = True
            self._rounds.notify_all()
        self._awake.set()
        if self._thread.is_alive():
            self._fencing.stop()
            self._thread.join(STOP_S)

    def _run(self) -> None:
        while not self._ending:
            self._awake.clear()
            try:
                self._look()
                self._act()
                self._tell_jobs()
                self.trouble = ""
            except Exception as error:  # a round that fails (disk full, broker gone) is followed by another one
                self._failed(error)
            with self._rounds:
                self._round += 1
                self._rounds.notify_all()
            if self._round % 2 == 0:  # two at once after a call: `settle` waits for a whole one
                self._awake.wait(EVERY_S)
        self._config.close()
        self._views.close()

    def _failed(self, error: Exception) -> None:
        if self._ending:
            return
        first, self.trouble = not self.trouble, str(error) or type(error).__name__
        known = isinstance(error, HeadwaterError)
        if first or not known:
            log.warning(
                "the worker cannot look at what should run; what runs goes on, and it tries again: %s",
                self.trouble,
                exc_info=not known,
            )
        self._awake.wait(1)

    def _look(self) -> None:
        self._config.refresh(LOOK_S, whole=False)
        self._views.refresh(LOOK_S, whole=False)
        self.from_files = self._config.from_files()
        self.wanted = Wanted(
            self._config.connectors(),
            self._views.views(),
            self._planner.plans(),
            self._settings,
            str(self._data_dir),
            self._fencing.troubles(),
        )

    def _act(self) -> None:
        wanted = self.wanted
        self._planner.want(builds(wanted))
        self._write_task_configs(wanted)
        for action in reconcile(desired(wanted, _now_ms()), self._supervisor.works()):
            if isinstance(action, Run):
                self._supervisor.run(action.key, action.work)
            elif isinstance(action, Pause):
                self._supervisor.pause(action.key, action.work)
            else:
                self._supervisor.stop(action.key)
        self._fence(wanted)

    def _fence(self, wanted: Wanted) -> None:
        """Where a new set of a source's tasks waits, and the earlier one has ended here, fence it off elsewhere."""
        busy = {process.get("connector") for process in self._supervisor.snapshot()}
        due: dict[str, Round] = {}
        for (name, _), plan in wanted.plans.items():
            connector = wanted.connectors.get(name)
            if connector is None or plan.error or connector.tasks != plan.tasks or name in busy:
                continue
            if dict(plan.raw) == dict(connector.raw) and to_fence(connector, plan):
                due[name] = Round.of(connector, plan)
        self._fencing.want(due)

    def _write_task_configs(self, wanted: Wanted) -> None:
        for name, connector in wanted.connectors.items():
            view = wanted.views.get(name)
            plan = wanted.plans.get(Build(name, 1 if view is None else view.current))
            if plan is not None and not plan.error and plan.tasks != connector.tasks:
                self._config.write(task_records(name, plan.tasks))
                self.wake()

    def _tell_jobs(self) -> None:
        """A job asks of the tasks of each generation: has one failed, are all gone?"""
        jobs = [key.view for key in self._supervisor.works() if isinstance(key, JobId)]
        if not jobs:
            self._told.clear()
            return
        snapshot = self._supervisor.snapshot()
        for view in jobs:
            pid = next((s["pid"] for s in snapshot if s.get("job") == view), None)
            told = (pid, self._generations(view, snapshot))
            if (
                pid is not None
                and self._told.get(view) != told
                and self._supervisor.send(JobId(view), "tasks", generations=told[1])
            ):
                self._told[view] = told

    def _generations(self, view: str, snapshot: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        state = self.wanted.views.get(view)
        found: dict[str, dict[str, Any]] = {
            str(number): {"failure": None, "stopped": True} for number in (state.generations if state else ())
        }
        for task in snapshot:
            if task.get("connector") != view:
                continue
            entry = found.setdefault(str(task["generation"]), {"failure": None, "stopped": True})
            entry["stopped"] = False
            if task["state"] == "FAILED":
                entry["failure"] = task["reason"] or "FAILED"
        for number, raw in state.running().items() if state else ():
            plan = self.wanted.plans.get(Build(view, number))
            if plan is not None and plan.permanent and plan.error and (raw is None or dict(plan.raw) == dict(raw)):
                found.setdefault(str(number), {"stopped": True})["failure"] = plan.error
        return found


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
