"""The thread that holds running processes against what the log says, and sets them right."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from headwater.worker.api import HeadwaterError
from headwater.worker.observe.observed import Starts
from headwater.worker.observe.rebalances import Rebalances
from headwater.worker.runtime.supervisor import Supervisor

from .config_topic import ConfigTopic
from .config_writer import ConfigWriter
from .following import Following
from .group_view import GroupView, key_of
from .leading import Leading
from .membership import CONNECTOR, Assigned, Item, Membership
from .open_transactions import end_open_transactions
from .peers import Peers
from .planner import Planner
from .reconcile import Pause, Run, reconcile
from .same_topic import SameTopic
from .session_keys import SessionKey
from .state import Wanted, desired, items, own_builds
from .status_report import StatusReport
from .status_topic import StatusTopic
from .surroundings import Surroundings
from .told_jobs import ToldJobs
from .view_records import ViewRecords

__all__ = ["Reconciler"]

log = logging.getLogger(__name__)

EVERY_S = 0.3
SEEN_WITHIN_S = 1.0
"""Whoever leads has then seen what this worker gave up in good order; what it has not seen it hands out at once."""
LOOK_S = 2.0
FIRST_LOOK_S = 90.0
STOP_S = 5.0


class Reconciler:
    """`wanted` is the newest picture; any thread may read it. `statuses`: None where this worker stands alone."""

    def __init__(
        self, around: Surroundings, supervisor: Supervisor, membership: Membership, writer: ConfigWriter,
        statuses: StatusTopic | None, peers: Peers, set_level: Callable[[str, str], object],
    ) -> None:  # fmt: skip
        """`set_level(logger, level)`: of this worker and its tasks."""
        self._around = around
        self._supervisor = supervisor
        self._membership = membership
        self._statuses = statuses
        self._report = None if statuses is None else StatusReport(statuses, around.worker_id)
        self._planner = Planner(around.settings, around.data_dir, self.wake)
        self._leading = Leading(around, writer, self.wake, self._planner.refuse)
        self._following = Following(peers, self._planner.refuse)
        self._set_level = set_level
        self._awake = threading.Event()
        self._ending = False
        self._rounds = threading.Condition()
        self._rebalances = Rebalances()
        self._round = 0
        self._jobs = ToldJobs(supervisor, statuses)
        self._items: frozenset[Item] | None = None
        self._cleaned: object = None
        self.wanted = Wanted(settings=dict(around.settings), data_dir=str(around.data_dir), assigned=Assigned())
        self.from_files: list[str] = []
        self.session_key: SessionKey | None = None
        self._same_topic = SameTopic(around.topics.configs)
        self.apart = ""
        """How it shows that another member of the group reads another config topic."""
        self.trouble = ""
        """Why the worker cannot compare what runs with what should, while that is so."""
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)

    def start(self) -> None:
        """Returns when what the log says is known, and this worker is a member of its group; nothing runs yet.

        Raises `ConfigError`, `LogError`, `Retriable`.
        """
        around, topics = self._around, self._around.topics
        self._config = ConfigTopic(around.log, topics.configs)
        self._views = ViewRecords(around.log, topics.views)
        if self._membership.assigned().items is None:  # in a cluster they may be those of a job that runs elsewhere
            end_open_transactions(around.log, topics, around.settings)
        self._config.refresh(FIRST_LOOK_S)
        self._views.refresh(FIRST_LOOK_S)
        if self._statuses is not None:
            self._statuses.refresh(FIRST_LOOK_S)
        self._look()
        self._thread.start()
        if self._statuses is not None:
            group = GroupView(lambda: self.wanted, self._supervisor, self._statuses, self._regrouped)
            self._membership.start(group)

    def wake(self) -> None:
        self._awake.set()

    def _regrouped(self) -> None:
        self.rebalances()
        self._stop_what_was_lost()
        self.wake()

    def _stop_what_was_lost(self) -> None:
        """A member no more: others may have all that runs here. Not left to a round, which waits for the log: it may be
        the log that this worker was cut off from."""
        if self._statuses is not None and self._membership.assigned().generation < 0:
            for key in self._supervisor.works():
                self._supervisor.stop(key)

    @property
    def plans_made(self) -> Starts:
        return self._planner.starts

    def rebalances(self) -> Rebalances:
        """What this worker has seen of its group, up to now."""
        assigned = self._membership.assigned()
        protocol = "sessioned" if assigned.sessioned else ""
        self._rebalances.see(assigned.generation, assigned.leader_url, protocol)
        return self._rebalances

    def settle(self, timeout_s: float = 10.0) -> None:
        """Wait until a whole round has been done that began after this call: what was written before is in effect."""
        with self._rounds:
            goal = self._round + 2
            self.wake()
            self._rounds.wait_for(lambda: self._round >= goal or self._ending, timeout_s)

    def stop(self) -> None:
        """Start and stop nothing any more. What runs goes on. A log that does not answer is not waited for."""
        with self._rounds:
            self._ending = True
            self._rounds.notify_all()
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)
            self._leading.stop()

    def leave(self) -> None:
        """Call it when nothing runs here any more: others learn that, then they may have what this worker had."""
        if self._report is not None and self._statuses is not None:
            self._report.leave()
            self._statuses.close()
            time.sleep(SEEN_WITHIN_S)
        self._membership.stop()

    def runs_anywhere(self, connector: str) -> bool:
        """Does a task of it run, here or as far as is known elsewhere?"""
        if any(process.get("connector") == connector for process in self._supervisor.snapshot()):
            return True
        told = {} if self._statuses is None else self._statuses.told(connector).tasks
        return any(status.state not in ("UNASSIGNED", "FAILED", "STOPPED") for status in told.values())

    def _run(self) -> None:
        while not self._ending:
            self._awake.clear()
            try:
                self._look()
                self._act()
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
        self._stop_what_was_lost()
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
        self._views.refresh(LOOK_S, whole=False)  # first: a config that a view's record knows is known as well
        self._config.refresh(LOOK_S, whole=False)
        if self._statuses is not None:
            self._statuses.refresh(LOOK_S, whole=False)
        self.from_files = self._config.from_files()
        self.session_key = self._config.session_key()
        self.wanted = replace(
            self.wanted,
            connectors=self._config.connectors(),
            views=self._views.views(),
            plans=self._planner.plans(),
            troubles={**self._following.troubles(), **self._leading.troubles()},
            assigned=self._here(),
            config_offset=self._config.offset,
            lease=self._membership.lease,
        )

        self._compare()

    def _compare(self) -> None:
        """With what other members know of the config topic."""
        before = self.apart
        self.apart = self._same_topic.look(
            self._membership.assigned(),
            self._membership.elsewhere(),
            self._config.position,
            self.wanted.connectors,
            time.monotonic(),
        )
        if self.apart and not before:
            log.error("%s", self.apart)

    def _here(self) -> Assigned:
        """What is ours to run. Until the config has been read as far as the leader had, that means nothing new."""
        assigned = self._membership.assigned()
        if assigned.items is None or self._config.position >= assigned.config_offset:
            return assigned
        return replace(assigned, items=assigned.items & (self.wanted.assigned.items or frozenset()))

    def _act(self) -> None:
        wanted = self.wanted
        self._join_again_where_items_differ(wanted)
        self._planner.want(own_builds(wanted))
        self._obey(wanted)
        for action in reconcile(desired(wanted, _now_ms()), self._supervisor.works()):
            if isinstance(action, Run):
                self._supervisor.run(action.key, action.work)
            elif isinstance(action, Pause):
                self._supervisor.pause(action.key, action.work)
            else:
                self._supervisor.stop(action.key)
        snapshot = self._supervisor.snapshot()
        if self._report is not None:
            self._report.tell(wanted, wanted.assigned, snapshot)
        if wanted.assigned.leader:
            self._following.rest()
            self._leading.act(wanted, self.session_key, self.runs_anywhere)
            self._clean_up(wanted)
        else:
            self._leading.rest()
            self._following.act(wanted, self.session_key)
        self._jobs.tell(wanted, snapshot)

    def _clean_up(self, wanted: Wanted) -> None:
        """The leader's: what is there no more has no status; what was on a worker that is gone says so."""
        if self._statuses is None:
            return
        workers = frozenset(urlsplit(url).netloc for url in self._membership.workers())
        tasks = {name: len(connector.tasks) for name, connector in wanted.connectors.items()}
        others = {
            name: frozenset(view.running()) - {view.current}
            for name, view in wanted.views.items()
            if name in wanted.connectors
        }
        seen = (wanted.assigned.generation, workers, tasks, others)
        if seen != self._cleaned:
            self._cleaned = seen
            self._statuses.forget_missing(tasks, others)
            if workers:
                self._statuses.put_lost(workers, wanted.assigned.generation)

    def _join_again_where_items_differ(self, wanted: Wanted) -> None:
        now = items(wanted.connectors)
        if self._items is not None and now != self._items:
            self._membership.rejoin()
        self._items = now

    def _obey(self, wanted: Wanted) -> None:
        """Each worker restarts what it runs itself, and sets its levels of loggers."""
        for logger, level in self._config.take_logger_levels():
            try:
                self._set_level(logger, level)
            except ValueError as error:
                log.warning("the level of logger %s is not changed: %s", logger, error)
        for request in self._config.take_restarts():
            for process in self._supervisor.snapshot():
                if process.get("connector") != request.connector or not request.include_tasks:
                    continue
                if not request.only_failed or process["state"] == "FAILED":
                    self._supervisor.restart(key_of(process))
            if wanted.assigned.has(Item(request.connector, CONNECTOR)):
                self._planner.forget(request.connector)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
