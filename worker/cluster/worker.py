"""A worker: one process that supervises, one data directory. Alone or among others, it is the same path."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from headwater.worker.api import ConfigError, HeadwaterError, Retriable
from headwater.worker.config.plugins import installed
from headwater.worker.config.secrets import expand
from headwater.worker.config.tls import among_workers
from headwater.worker.log import open_log
from headwater.worker.log.contract import Log, LogError
from headwater.worker.observe.health import Stall
from headwater.worker.observe.log_levels import LogLevels
from headwater.worker.observe.observed import Observed
from headwater.worker.runtime.internal_topics import InternalTopics
from headwater.worker.runtime.spares import Spares
from headwater.worker.runtime.supervisor import Supervisor
from headwater.worker.runtime.task_spec import TaskId

from .caught_up import CaughtUp
from .changes import Changes, ConfigChange, connector_of, offsets_topic
from .config_state import Configured
from .config_writer import ConfigWriter, leader_id, lone_id
from .connector_log import connector_log
from .data_dir_lock import DataDirLock
from .internal_requests import check_signature
from .membership import CONNECTOR, Item, Membership
from .observing import job_problems, observed
from .offsets import Offset, sink_offsets, source_offsets
from .own_topics import make_own_topics
from .peers import Peers
from .reconciler import Reconciler
from .refusals import DataDirUnusable, NotThere, NotValid
from .session_keys import SessionPolicy
from .state import TASK_MODULE
from .status import connector_status, problems
from .status_topic import StatusTopic
from .surroundings import Surroundings
from .told_status import connector_told

__all__ = ["Worker"]

log = logging.getLogger(__name__)

_MAINTENANCE_S = 1.0
_BUSY_PAUSE_S = 0.02


class Worker:
    """`settings`: the worker's options as written, `${…}` unexpanded. Any thread may call the methods."""

    def __init__(self, settings: Mapping[str, str], data_dir: Path, worker_id: str, membership: Membership) -> None:
        self.settings: Mapping[str, str] = dict(settings)
        self.data_dir = data_dir.absolute()
        self.worker_id = worker_id
        self.cluster_id = ""
        self._topics = InternalTopics.of(self.settings)
        self._lock = DataDirLock(self.data_dir)
        self._ending = threading.Event()
        self._membership = membership
        self._used: dict[str, set[str]] = {}
        self.log_levels = LogLevels()
        self.log: Log

    def start(self) -> None:
        """All that is ours by what the log says is started. Raises `WorkerRunning`, `DataDirUnusable`, `ConfigError`,
        `LogError`."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except OSError as error:
            raise DataDirUnusable(
                f"the data directory {self.data_dir} cannot be used: {error.strerror or error}. Nothing was started. "
                "Let this user write there, or name another directory (--data DIR)"
            ) from error
        try:
            self._start()
        except Retriable as error:
            self._lock.release()
            raise LogError(f"{error}. This worker was not started: start it again once that is mended") from error
        except BaseException:
            self._lock.release()
            raise

    def _start(self) -> None:
        expanded = expand(self.settings)
        self.log = open_log(expanded, self.data_dir)
        make_own_topics(self.log, self._topics)
        self.cluster_id = self.log.cluster_id()
        stall = Stall(int(self.settings.get("task.stalled.after.ms", "300000")) / 1000)
        grace_s = int(self.settings.get("task.shutdown.graceful.timeout.ms", "5000")) / 1000
        spares = Spares(TASK_MODULE, int(self.settings.get("task.spare.processes", "0")))
        self.supervisor = Supervisor(grace_s, stall, spares=spares)
        membership = self._membership
        own_id = lone_id(self.settings, self.data_dir) if self._alone else leader_id(self.settings)
        self._writer = ConfigWriter(self.log, own_id, lambda: membership.assigned().leader)
        self._statuses = None
        if not self._alone:
            self._statuses = StatusTopic(self.log, self._topics, lambda: membership.assigned().generation >= 0)
        self._session = SessionPolicy.of(expanded)
        self._around = Surroundings(self.log, self.settings, self.data_dir, self.worker_id, self._topics)
        self._reconciler = Reconciler(
            self._around,
            self.supervisor,
            membership,
            self._writer,
            self._statuses,
            Peers(self._session, among_workers(expanded)),
            self.set_log_level,
        )
        self._changes = Changes(self._around, self._reconciler, self._writer)
        self.supervisor.start()
        self._reconciler.start()
        threading.Thread(target=self._maintain, name="log-maintenance", daemon=True).start()

    @property
    def _alone(self) -> bool:
        return self._membership.assigned().items is None

    def stop(self) -> None:
        """Every task flushes, commits and ends; those that take too long are killed. Then others may have what this
        worker had. May be called twice."""
        if self._ending.is_set():
            return
        self._ending.set()
        self._reconciler.stop()
        self.supervisor.stop_all()
        self._reconciler.leave()
        self._writer.release()
        self.log.close()
        self._lock.release()

    def _maintain(self) -> None:
        while not self._ending.is_set():
            try:
                more = self.log.maintain()
            except HeadwaterError as error:
                if not self._ending.is_set():
                    log.warning("cleaning up the log failed, trying again: %s", error)
                more = False
            self._ending.wait(_BUSY_PAUSE_S if more else _MAINTENANCE_S)

    # What users change, and the leader writes down: see `Changes`.

    def apply_files(self, files: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, str]:
        return self._changes.apply_files(files)

    def put_config(self, name: str, config: Mapping[str, str], state: str | None = None) -> None:
        self._changes.put_config(name, config, state)

    def change_config(self, name: str, change: ConfigChange, state: str | None = None) -> bool:
        return self._changes.change_config(name, change, state)

    def delete(self, name: str) -> None:
        self._changes.delete(name)

    def changing(self) -> AbstractContextManager[None]:
        return self._changes.changing()

    def set_state(self, name: str, state: str) -> None:
        self._changes.set_state(name, state)

    def restart(self, name: str, include_tasks: bool = False, only_failed: bool = False) -> None:
        self._changes.restart(name, include_tasks, only_failed)

    def alter_offsets(self, name: str, offsets: Sequence[Offset] | None) -> None:
        self._changes.alter_offsets(name, offsets)

    def put_task_configs(self, name: str, configs: Sequence[Mapping[str, str]]) -> None:
        self._changes.put_task_configs(name, configs)

    def fence(self, name: str) -> None:
        self._changes.fence(name)

    # Who of the cluster does what.

    def leader_url(self) -> str | None:
        """The leader's REST API; None: this worker leads, or stands alone; "": nobody leads at the moment."""
        assigned = self._membership.assigned()
        return None if assigned.leader else assigned.leader_url

    def owner_url(self, name: str, task: int) -> str | None:
        """The same of the worker that runs this task; task -1: of the one that runs the job of the view `name`."""
        item = Item(name, task)
        if self._membership.assigned().has(item):
            return None
        return self._membership.owner_url(item) or self.leader_url() or ""

    def check_signature(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Raises `NotValid`, `NotReady`, `NotAllowed` where it is not a worker of this cluster that asks."""
        if self._alone:
            raise NotValid("this worker stands alone: it plans its tasks and fences them off itself")
        if self._membership.assigned().sessioned:
            check_signature(self._reconciler.session_key, body, headers, self._session)

    # How things are.

    def connectors(self) -> list[str]:
        return sorted(self._reconciler.wanted.connectors)

    def config(self, name: str) -> dict[str, str]:
        """As written, `${…}` unexpanded."""
        return dict(self._connector(name).raw)

    def kind(self, name: str) -> str:
        """source, sink or unknown."""
        try:
            return installed().kind_of(self._connector(name).raw.get("connector.class", ""))
        except ConfigError:
            return "unknown"

    def status(self, name: str) -> dict[str, Any]:
        """Kafka Connect's answer with more on each task; see `status.connector_status`."""
        wanted, connector = self._reconciler.wanted, self._connector(name)
        tasks = self.supervisor.snapshot(name)
        view = wanted.views.get(name)
        if self._statuses is None:
            trouble = wanted.troubles.get(name, "")
            return connector_status(connector, view, wanted.plans, tasks, self.worker_id, self.kind(name), trouble)
        return connector_told(connector, view, self._statuses.told(name), self.kind(name), tasks, self.worker_id)

    def task_configs(self, name: str) -> list[dict[str, str]]:
        """The connector's config with each task's own merged in, as Kafka Connect shows them."""
        connector = self._connector(name)
        return [{**connector.raw, **task} for task in connector.tasks]

    def health(self) -> list[str]:
        """What is wrong here; [] = nothing."""
        trouble = self._reconciler.trouble
        found = [f"the worker cannot look at what should run: {trouble}"] if trouble else []
        if self._reconciler.apart:
            found.append(self._reconciler.apart)
        assigned = self._membership.assigned()
        if assigned.generation < 0:
            found.append("this worker is no member of its cluster at the moment")
        jobs = job_problems(self.supervisor.snapshot())
        statuses = []
        for name in self.connectors():
            try:
                statuses.append(self._own_status(name))
            except NotThere:  # deleted just now
                continue
        return found + problems(statuses) + jobs

    def observed(self) -> Observed:
        """One look at all that runs here, for `/metrics`."""
        plans = self._reconciler.plans_made
        return observed(self, plans, None if self._alone else self._reconciler.rebalances())

    def _own_status(self, name: str) -> dict[str, Any]:
        """Of what this worker runs."""
        wanted, connector = self._reconciler.wanted, self._connector(name)
        own = wanted.plans if wanted.assigned.has(Item(name, CONNECTOR)) else {}
        tasks, trouble = self.supervisor.snapshot(name), wanted.troubles.get(name, "")
        return connector_status(connector, wanted.views.get(name), own, tasks, self.worker_id, "", trouble)

    def snapshot(self) -> list[dict[str, Any]]:
        """Every process with state, counters and progress; see `runtime.supervisor`."""
        return self.supervisor.snapshot()

    def job_progress(self, view: str) -> dict[str, Any] | None:
        """The last that the view's job has told, where it runs here."""
        for process in self.supervisor.snapshot():
            if process.get("job") == view and process["progress"]:
                return dict(process["progress"][-1])
        return None

    def topics(self, name: str) -> list[str]:
        """Topics that the connector's tasks use, since they were last reset."""
        self._connector(name)
        if self._statuses is not None:
            return self._statuses.topics(name)
        hidden = self._used.get(name, set())
        tasks = [s for s in self.supervisor.snapshot() if s.get("connector") == name]
        return sorted({topic for task in tasks for topic in task["metrics"].get("topics", ())} - hidden)

    def reset_topics(self, name: str) -> None:
        if self._statuses is not None:
            self._connector(name)
            self._statuses.reset_topics(name)
            return
        self._used[name] = {*self._used.get(name, set()), *self.topics(name)}

    def offsets(self, name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """(partition, offset) pairs as stored."""
        connector = self._connector(name)
        with connector_log(self.log, self.settings, self.data_dir, connector.raw) as the_log:
            if self.kind(name) == "sink":
                return sink_offsets(the_log, name, self._reconciler.wanted.generation(name))
            return source_offsets(the_log, offsets_topic(self._around, connector), name)

    def restart_task(self, name: str, task: int) -> None:
        """Of this worker; see `owner_url`."""
        self._connector(name)
        if not self.supervisor.restart(TaskId(name, self._reconciler.wanted.generation(name), task)):
            raise NotThere(f"connector {name} has no task {task}")

    def set_log_level(self, logger: str, level: str, cluster: bool = False) -> list[str]:
        """Of this worker and its tasks, or of all workers'. Returns the loggers for which it holds, [] for a cluster.

        Raises `ValueError` where there is no such level, `NotLeader`.
        """
        if cluster and not self._alone:
            self._changes.set_log_level(logger, level)
            return []
        affected = self.log_levels.set(logger, level)
        self.supervisor.set_log_levels(self.log_levels.changes())
        return affected

    def wait_until_caught_up(self, timeout_s: float | None = None, stop: threading.Event | None = None) -> bool:
        """Wait until sources have read all that was there at the start and sinks have it.

        False: the time was over or `stop` was set. Raises `NotCaughtUp` where a connector has failed for good.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        check = CaughtUp(self.log)
        while stop is None or not stop.is_set():
            if check.reached(self._reconciler.wanted, self.supervisor.snapshot()):
                return True
            if end is not None and time.monotonic() > end:
                return False
            time.sleep(0.2)
        return False

    def _connector(self, name: str) -> Configured:
        return connector_of(self._reconciler.wanted, name)
