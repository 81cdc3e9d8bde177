"""A worker that stands alone: one process that supervises, one data directory, the same path as a cluster's member."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from headwater.worker.api import ConfigError, HeadwaterError, Problem, Retriable
from headwater.worker.config.plugins import installed
from headwater.worker.config.secrets import expand
from headwater.worker.log import open_log
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Log, LogError
from headwater.worker.observe.health import Stall
from headwater.worker.observe.log_levels import LogLevels
from headwater.worker.observe.observed import Observed
from headwater.worker.runtime.internal_topics import InternalTopics
from headwater.worker.runtime.plugin_process import run_plugin_call
from headwater.worker.runtime.supervisor import Supervisor
from headwater.worker.runtime.task_spec import TaskId, transactional_id

from . import config_topic as records
from .caught_up import CaughtUp
from .config_topic import ConfigTopic, Configured, Records, TargetState
from .connector_log import connector_log
from .data_dir_lock import DataDirLock
from .observing import job_problems, observed
from .offsets import Offset, alter_sink, alter_source, sink_offsets, source_offsets
from .reconciler import Reconciler
from .refusals import DataDirUnusable, NotNow, NotThere, NotValid
from .state import Build, TaskPlan
from .status import connector_status, problems
from .view_records import change_live_config
from .view_shape import shape_differences, way_out

__all__ = ["Standalone"]

log = logging.getLogger(__name__)

_MAINTENANCE_S = 1.0
_BUSY_PAUSE_S = 0.02


class Standalone:
    """`settings`: the worker's options as written, `${…}` unexpanded. Any thread may call the methods."""

    def __init__(self, settings: Mapping[str, str], data_dir: Path, worker_id: str = "127.0.0.1:8083") -> None:
        self.settings: Mapping[str, str] = dict(settings)
        self.data_dir = data_dir.absolute()
        self.worker_id = worker_id
        self.cluster_id = "headwater-" + hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:16]
        self.log_levels = LogLevels()
        self._topics = InternalTopics.of(self.settings)
        self._lock = DataDirLock(self.data_dir)
        self._changing = threading.RLock()
        self._ending = threading.Event()
        self._used: dict[str, set[str]] = {}
        self.log: Log

    def start(self) -> None:
        """All that the log says is started. Raises `WorkerRunning`, `DataDirUnusable`, `ConfigError`, `LogError`."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except OSError as error:
            raise DataDirUnusable(
                f"the data directory {self.data_dir} cannot be used: {error.strerror or error}. Nothing was started. "
                "Let this user write there, or name another directory (--data DIR)"
            ) from error
        try:
            self.log = open_log(expand(self.settings), self.data_dir)
            self._make_topics()
            stall = Stall(int(self.settings.get("task.stalled.after.ms", "300000")) / 1000)
            grace_s = int(self.settings.get("task.shutdown.graceful.timeout.ms", "5000")) / 1000
            self.supervisor = Supervisor(grace_s, stall)
            self._reconciler = Reconciler(self.log, self.settings, self.data_dir, self.supervisor)
            self._writer = ConfigTopic(self.log, self._topics.configs)
            self.supervisor.start()
            self._reconciler.start()
            threading.Thread(target=self._maintain, name="log-maintenance", daemon=True).start()
        except Retriable as error:
            self._lock.release()
            raise LogError(f"{error}. This worker was not started: start it again once that is mended") from error
        except BaseException:
            self._lock.release()
            raise

    def stop(self) -> None:
        """Every task flushes, commits and ends; those that take too long are killed. May be called twice."""
        if self._ending.is_set():
            return
        self._ending.set()
        self._reconciler.stop()
        self.supervisor.stop_all()
        self.log.close()
        self._lock.release()

    def _make_topics(self) -> None:
        topics = self._topics
        own = (1, topics.configs_replicas, "config")
        shapes = {topics.configs: own, topics.topics: own, topics.views: own}
        shapes[topics.offsets] = (topics.offsets_partitions, topics.offsets_replicas, "offset")
        for name, (partitions, replicas, what) in shapes.items():
            try:
                CompactedDict(self.log, name, partitions, replicas).close()
            except Retriable:
                raise
            except LogError as error:
                hint = ""
                if "replication" in str(error).lower():
                    option = f"{what}.storage.replication.factor"
                    hint = f". {option} is {replicas}: set it to -1 (the brokers' default), or to 1 on a single broker"
                raise LogError(f"the worker's own topic {name} cannot be used: {error}{hint}") from error
        for name, found in self.log.topics([topics.configs, topics.views]).items():
            if found.partitions != 1:
                raise LogError(
                    f"the worker's own topic {name} cannot be used: it has {found.partitions} partitions and must have "
                    "one, or what follows one another would be read in any order. Name another topic in the worker's "
                    "settings, or let Headwater make this one"
                )

    def _maintain(self) -> None:
        while not self._ending.is_set():
            try:
                more = self.log.maintain()
            except HeadwaterError as error:
                if not self._ending.is_set():
                    log.warning("cleaning up the log failed, trying again: %s", error)
                more = False
            self._ending.wait(_BUSY_PAUSE_S if more else _MAINTENANCE_S)

    # What connectors there are.

    def apply_files(self, files: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, str]:
        """Make the connectors from files be these. Returns what was done by name: created, changed, unchanged, kept
        (the file says what a rebuild has replaced since) or deleted (it stood in the files before and does not now).

        Connectors made over REST are left alone, and so are those that have not changed. Nothing is checked here: lint
        the files first. Raises `NotNow` where a job works on the view of one that has changed.
        """
        with self._changing:
            wanted = {name: dict(raw) for name, raw in files}
            before = self._known()
            done: dict[str, str] = {}
            for name, raw in wanted.items():
                view = self._reconciler.wanted.views.get(name)
                old = before.get(name)
                if view is not None and (options := view.taken_back(raw)):
                    done[name] = "kept"
                    wanted[name] = dict(view.generations[view.current].config)
                    log.warning("%s: its file is not applied: %s", name, way_out(name, options))
                    if old is not None:
                        continue
                elif old is not None:
                    done[name] = "unchanged" if dict(old.raw) == raw else "changed"
                    self._warn_of_mixed_rows(name, shape_differences(old.raw, raw))
                else:
                    done[name] = "created"
            for name in [n for n, what in done.items() if what == "changed" or n not in before]:
                self._store(name, wanted[name], None)
            for name in set(self._reconciler.from_files) - set(wanted):
                if name in before:
                    done[name] = "deleted"
                    self._writer.write(records.forget_records(before[name]))
            if sorted(wanted) != sorted(self._reconciler.from_files):
                self._writer.write(records.files_records(sorted(wanted)))
            self._reconciler.settle()
            return done

    def put_config(self, name: str, config: Mapping[str, str], state: str | None = None) -> None:
        """Create or replace; a view's record follows. `state`: STARTED, PAUSED or STOPPED for a new one.

        Raises `ConfigError` with every problem, `NotNow` while a job works on the view, `NotValid` where the config
        would take back what a rebuild has changed.
        """
        raw = {**config, "name": name}
        answer = run_plugin_call("validate", raw, self.settings, self.data_dir)
        if answer["problems"]:
            raise ConfigError([Problem(**problem) for problem in answer["problems"]])
        with self._changing:
            self._reconciler.settle()  # a job that was asked for a moment ago counts
            view, old = self._reconciler.wanted.views.get(name), self._known().get(name)
            if view is not None and (options := view.taken_back(raw)):
                raise NotValid(f"{name} is not changed: {way_out(name, options, deleted=old is None)}")
            if old is not None:
                self._warn_of_mixed_rows(name, shape_differences(old.raw, raw))
            self._store(name, raw, state)
            self._reconciler.settle()

    def _store(self, name: str, raw: Mapping[str, str], state: str | None) -> None:
        changes: Records = records.connector_records(name, raw)
        if state is not None and name not in self._known():
            changes += records.target_records(name, _target(state))
        view = self._reconciler.wanted.views.get(name)
        if view is not None and view.generations:
            group_id = self.settings.get("group.id", "headwater")
            messages = self._writer.messages(changes)
            change_live_config(self.log, self._topics.views, group_id, view, raw, messages)
        else:
            self._writer.write(changes)

    def _warn_of_mixed_rows(self, name: str, options: Sequence[str]) -> None:
        """As in Kafka Connect, a changed transform is applied to what comes; here there is a way to have it for all."""
        plan = self._reconciler.wanted.plans.get(Build(name, self._generation(name)))
        if options and plan is not None and plan.generations:
            log.warning(
                "%s: %s changed, which shapes only rows that are written from now on; `headwater rebuild %s` makes all "
                "rows alike",
                name,
                ", ".join(options),
                name,
            )

    def delete(self, name: str) -> None:
        """Its topics, offsets and views stay, and the view's record: made again, it finds its live generation."""
        with self._changing:
            self._reconciler.settle()
            connector = self._connector(name)
            view = self._reconciler.wanted.views.get(name)
            if view is not None and view.job is not None:
                raise NotNow(f"a {view.job.kind} of {name} is running; wait for its end or give it up first")
            self._writer.write(records.forget_records(connector))
            self._reconciler.settle()

    def set_state(self, name: str, state: str) -> None:
        """STARTED, PAUSED or STOPPED."""
        with self._changing:
            self._connector(name)
            self._writer.write(records.target_records(name, _target(state)))
            self._reconciler.settle()

    # How they are.

    def connectors(self) -> list[str]:
        return sorted(self._known())

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
        trouble = wanted.troubles.get(name, "")
        return connector_status(connector, view, wanted.plans, tasks, self.worker_id, self.kind(name), trouble)

    def task_configs(self, name: str) -> list[dict[str, str]]:
        """The connector's config with each task's own merged in, as Kafka Connect shows them; [] where stopped."""
        connector = self._connector(name)
        if connector.target == "STOPPED":
            return []
        return [{**connector.raw, **task} for task in connector.tasks]

    def health(self) -> list[str]:
        """What is wrong; [] = nothing."""
        trouble = self._reconciler.trouble
        of_worker = [f"the worker cannot look at what should run: {trouble}"] if trouble else []
        jobs = job_problems(self.supervisor.snapshot())
        return of_worker + problems([self.status(name) for name in self.connectors()]) + jobs

    def observed(self) -> Observed:
        """One look at all that runs here, for `/metrics`."""
        return observed(self)

    def snapshot(self) -> list[dict[str, Any]]:
        """Every process with state, counters and progress; see `runtime.supervisor`."""
        return self.supervisor.snapshot()

    def job_progress(self, view: str) -> dict[str, Any] | None:
        """The last that the view's job has told."""
        for process in self.supervisor.snapshot():
            if process.get("job") == view and process["progress"]:
                return dict(process["progress"][-1])
        return None

    def topics(self, name: str) -> list[str]:
        """Topics that the connector's tasks use, since they were last reset."""
        self._connector(name)
        hidden = self._used.get(name, set())
        tasks = [s for s in self.supervisor.snapshot() if s.get("connector") == name]
        return sorted({topic for task in tasks for topic in task["metrics"].get("topics", ())} - hidden)

    def reset_topics(self, name: str) -> None:
        self._used[name] = {*self._used.get(name, set()), *self.topics(name)}

    # What others of a cluster do; here are none.

    def leader_url(self) -> str | None:
        return None

    def owner_url(self, name: str, task: int) -> str | None:
        return None

    def check_signature(self, body: bytes, headers: Mapping[str, str]) -> None:
        raise NotValid("this worker stands alone: it plans its tasks and fences them off itself")

    def put_task_configs(self, name: str, configs: Sequence[Mapping[str, str]]) -> None:
        self.check_signature(b"", {})

    def fence(self, name: str) -> None:
        self.check_signature(b"", {})

    # What is to be done with them.

    def set_log_level(self, logger: str, level: str, cluster: bool = False) -> list[str]:
        """Of this worker and its tasks. Returns the loggers for which it holds. Raises `ValueError`."""
        affected = self.log_levels.set(logger, level)
        self.supervisor.set_log_levels(self.log_levels.changes())
        return affected

    def restart(self, name: str, include_tasks: bool = False, only_failed: bool = False) -> None:
        """Plan the connector anew; restart its tasks, or the failed ones, where asked for."""
        self._connector(name)
        for process in self.supervisor.snapshot():
            if process.get("connector") == name and include_tasks and (not only_failed or process["state"] == "FAILED"):
                self.supervisor.restart(TaskId(name, process["generation"], process["task"]))
        self._reconciler.plan_again(name)

    def restart_task(self, name: str, task: int) -> None:
        self._connector(name)
        if not self.supervisor.restart(TaskId(name, self._generation(name), task)):
            raise NotThere(f"connector {name} has no task {task}")

    def offsets(self, name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """(partition, offset) pairs as stored."""
        connector = self._connector(name)
        with connector_log(self.log, self.settings, self.data_dir, connector.raw) as the_log:
            if self.kind(name) == "sink":
                return sink_offsets(the_log, name, self._generation(name))
            return source_offsets(the_log, self._offsets_topic(connector), name)

    def alter_offsets(self, name: str, offsets: Sequence[Offset] | None) -> None:
        """None: forget all. Raises `NotValid` where the connector is not stopped or the offsets are wrong."""
        with self._changing:
            connector = self._connector(name)
            running = [s for s in self.supervisor.snapshot() if s.get("connector") == name]
            if connector.target != "STOPPED" or running:
                raise NotValid(f"connector {name} must be stopped first: `headwater connectors stop {name}`")
            raw = connector.raw
            plan = TaskPlan.of(raw, run_plugin_call("plan_tasks", raw, self.settings, self.data_dir))
            if plan.generations:
                raise NotValid(
                    f"the view of {name} holds its offsets itself, together with its rows; others would leave rows "
                    f"out or write them twice. Build it anew with `headwater rebuild {name}`"
                )
            with connector_log(self.log, self.settings, self.data_dir, raw) as the_log:
                if plan.kind == "sink":
                    alter_sink(the_log, name, self._generation(name), offsets)
                else:
                    self._alter_source(the_log, connector, plan, offsets)

    def _alter_source(
        self, the_log: Log, connector: Configured, plan: TaskPlan, offsets: Sequence[Offset] | None
    ) -> None:
        name, topic = connector.name, self._offsets_topic(connector)
        stored = source_offsets(the_log, topic, name) if offsets is None else []
        asked = [(partition, None) for partition, _ in stored] if offsets is None else list(offsets)
        run_plugin_call("alter_offsets", connector.raw, self.settings, self.data_dir, offsets=asked)
        used = max(len(connector.tasks), len(plan.tasks), connector.fenced)
        ids = [transactional_id(self.settings, name, number) for number in range(used)]
        alter_source(the_log, topic, name, asked, ids)

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

    def _known(self) -> Mapping[str, Configured]:
        return self._reconciler.wanted.connectors

    def _connector(self, name: str) -> Configured:
        connector = self._known().get(name)
        if connector is None:
            raise NotThere(f"there is no connector {name}")
        return connector

    def _generation(self, name: str) -> int:
        view = self._reconciler.wanted.views.get(name)
        return 1 if view is None else view.current

    def _offsets_topic(self, connector: Configured) -> str:
        own = expand({"topic": connector.raw.get("offsets.storage.topic", "")})["topic"]
        return own or self._topics.offsets


def _target(state: str) -> TargetState:
    if state in ("STARTED", "RUNNING"):
        return "STARTED"
    if state == "PAUSED":
        return "PAUSED"
    if state == "STOPPED":
        return "STOPPED"
    raise NotValid(f"{state!r} is not a state; there are RUNNING, PAUSED and STOPPED")
