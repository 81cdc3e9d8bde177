"""What users change: written to the log by the leader, done by every worker that reads it there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from headwater.worker.api import ConfigError, Problem
from headwater.worker.config.secrets import expand
from headwater.worker.log.contract import Message, MessageRefused
from headwater.worker.observe.log_levels import level_number
from headwater.worker.runtime.plugin_process import run_plugin_call
from headwater.worker.runtime.replay_records import request_key
from headwater.worker.runtime.task_spec import transactional_id

from . import config_records as records
from .config_records import Records, config_messages
from .config_state import Configured, RestartRequest, TargetState
from .config_writer import ConfigWriter
from .connector_log import connector_log
from .leading import not_written
from .offsets import Offset, alter_sink, alter_source, source_offsets
from .reconciler import Reconciler
from .refusals import NotLeader, NotNow, NotReady, NotThere, NotValid
from .state import Build, TaskPlan, Wanted, plan_of, to_fence
from .surroundings import Surroundings
from .view_records import live_config_message, view_writer_id
from .view_shape import shape_differences, way_out

__all__ = ["Changes", "ConfigChange"]

log = logging.getLogger(__name__)

FENCED_WITHIN_S = 20.0
TROUBLED_S = 5.0
"""After so long whoever waits is told what is wrong, where something is."""
ENDED_WITHIN_S = 30.0
LOOK_EVERY_S = 0.3

ConfigChange = Callable[[Mapping[str, str] | None], Mapping[str, str]]
"""From the stored config, None where there is no such connector, to the one that shall be."""


class Changes:
    """Any thread may call the methods. All raise `NotLeader` where this worker does not lead its cluster."""

    def __init__(self, around: Surroundings, reconciler: Reconciler, writer: ConfigWriter) -> None:
        self._around = around
        self._reconciler = reconciler
        self._writer = writer
        self._changing = threading.RLock()

    def apply_files(self, files: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, str]:
        """Make the connectors from files be these. Returns what was done by name: created, changed, unchanged, kept
        (the file says what a rebuild has replaced since) or deleted (it stood in the files before and does not now).

        Connectors made over REST are left alone, and so are those that have not changed. Nothing is checked here: lint
        the files first. Raises `NotNow`, and has done nothing, where a job works on the view of one that is deleted;
        also where one works on the view of one that has changed.
        """
        with self._leading():
            self._reconciler.settle()  # a job that was asked for a moment ago counts
            wanted = {name: dict(raw) for name, raw in files}
            before = self._wanted.connectors
            done: dict[str, str] = {}
            left_out = [name for name in self._reconciler.from_files if name not in wanted]
            for name in left_out:
                self._demand_no_job(name)
            for name, raw in wanted.items():
                view = self._wanted.views.get(name)
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
            for name in left_out:
                if name in before:
                    done[name] = "deleted"
                    self._forget(before[name])
            if sorted(wanted) != sorted(self._reconciler.from_files):
                self._write(records.files_records(sorted(wanted)))
            self._reconciler.settle()
            return done

    def put_config(self, name: str, config: Mapping[str, str], state: str | None = None) -> None:
        """Create or replace; see `change_config`."""
        self.change_config(name, lambda stored: config, state)

    def change_config(self, name: str, change: ConfigChange, state: str | None = None) -> bool:
        """Create or replace; a view's record follows. `state`: STARTED, PAUSED or STOPPED for a new one.

        `change` makes the new config from the stored one, and is asked again where another change comes first: none is
        lost. What it raises is raised. Returns whether the connector is new. Raises `ConfigError` with every problem,
        `NotNow` while a job works on the view, `NotValid` where the config would take back what a rebuild has changed,
        `NotReady` where it is written but cannot be read back.
        """
        while True:
            stored = self._stored(name)
            raw = {**change(stored), "name": name}
            answer = run_plugin_call("validate", raw, self._around.settings, self._around.data_dir)
            if answer["problems"]:
                raise ConfigError([Problem(**problem) for problem in answer["problems"]])
            with self._leading():
                self._reconciler.settle()  # a job that was asked for a moment ago counts
                if self._stored(name) != stored:
                    continue
                view = self._wanted.views.get(name)
                if view is not None and (options := view.taken_back(raw)):
                    raise NotValid(f"{name} is not changed: {way_out(name, options, deleted=stored is None)}")
                if stored is not None:
                    self._warn_of_mixed_rows(name, shape_differences(stored, raw))
                self._store(name, raw, state)
                self._reconciler.settle()
                if name not in self._wanted.connectors:
                    why = self._reconciler.trouble or "the log is slow"
                    raise NotReady(f"{name} is written down, but this worker has not read it back yet: {why}")
                return stored is None

    def _stored(self, name: str) -> Mapping[str, str] | None:
        connector = self._wanted.connectors.get(name)
        return None if connector is None else dict(connector.raw)

    def _store(self, name: str, raw: Mapping[str, str], state: str | None) -> None:
        new = name not in self._wanted.connectors
        changes = records.connector_records(name, raw, _target(state) if state is not None and new else None)
        view = self._wanted.views.get(name)
        if view is not None and view.generations:
            messages = config_messages(self._around.topics.configs, changes)
            of_view = live_config_message(self._around.topics.views, view, raw)
            self._writer.write([of_view, *messages], [view_writer_id(self._around.settings, name)])
        else:
            self._write(changes)

    def _warn_of_mixed_rows(self, name: str, options: Sequence[str]) -> None:
        """As in Kafka Connect, a changed transform is applied to what comes; here there is a way to have it for all."""
        plan = self._wanted.plans.get(Build(name, self._wanted.generation(name)))
        if options and plan is not None and plan.generations:
            log.warning(
                "%s: %s changed, which shapes only rows that are written from now on; `headwater rebuild %s` makes all "
                "rows alike",
                name,
                ", ".join(options),
                name,
            )

    def delete(self, name: str) -> None:
        """Its topics, offsets, dead letters and views stay, and the view's record: made again, it finds its live
        generation."""
        with self._leading():
            self._reconciler.settle()
            connector = self._connector(name)
            self._demand_no_job(name)
            self._forget(connector)
            self._reconciler.settle()

    def _forget(self, connector: Configured) -> None:
        """With the replay of its dead letters that it was asked for: another one of that name was not."""
        around = self._around
        messages = config_messages(around.topics.configs, records.forget_records(connector))
        self._writer.write([*messages, Message(around.topics.views, request_key(connector.name), None)])

    def _demand_no_job(self, name: str) -> None:
        view = self._wanted.views.get(name)
        if view is not None and view.job is not None:
            raise NotNow(
                f"a {view.job.kind} of {name} is running: it cannot be deleted meanwhile. Wait for the end, or give it "
                f"up with `headwater rebuild {name} --abort`"
            )

    def set_state(self, name: str, state: str) -> None:
        """STARTED, PAUSED or STOPPED."""
        with self._leading():
            self._connector(name)
            target = _target(state)
            stopped = target == "STOPPED"
            self._write(records.stop_records(name) if stopped else records.target_records(name, target))
            self._reconciler.settle()

    def restart(self, name: str, include_tasks: bool = False, only_failed: bool = False) -> None:
        """Plan the connector anew; restart its tasks, or the failed ones, where asked for, on every worker."""
        with self._leading():
            self._connector(name)
            self._write(records.restart_records(RestartRequest(name, include_tasks, only_failed)))
            self._reconciler.settle()

    def set_log_level(self, logger: str, level: str) -> None:
        """On every worker. Raises `ValueError` where there is no such level."""
        level_number(level)
        with self._leading():
            self._write(records.logger_records(logger, level.upper()))

    def put_task_configs(self, name: str, configs: Sequence[Mapping[str, str]]) -> None:
        """The connector's owner has planned it anew. Raises `NotValid` where the plan cannot be written down."""
        with self._leading():
            connector = self._connector(name)
            known = list(connector.tasks) == [dict(config) for config in configs]
            if connector.target == "STOPPED" or (known and connector.planned and not connector.inconsistent):
                return  # asked twice, or too late
            try:
                self._write(records.task_records(name, configs))
            except MessageRefused as error:
                raise NotValid(not_written(error)) from error
            self._reconciler.wake()

    def fence(self, name: str) -> None:
        """Returns when no earlier task of the source can write any more. Raises `NotNow` where that takes too long."""
        began = time.monotonic()
        while True:
            with self._leading():
                connector = self._connector(name)
                plan = plan_of(self._wanted, Build(name, self._wanted.generation(name)), connector.raw)
            if plan is not None and not to_fence(connector, plan):
                return
            why = self._wanted.troubles.get(name, "")
            if time.monotonic() - began > (TROUBLED_S if why else FENCED_WITHIN_S):
                raise NotNow(f"tasks of {name} cannot start yet: {why or 'earlier ones still run'}")
            time.sleep(LOOK_EVERY_S)

    def alter_offsets(self, name: str, offsets: Sequence[Offset] | None) -> None:
        """None: forget all. Waits for tasks that were told to stop, wherever they run.

        Raises `NotValid` where the connector is not stopped or the offsets are wrong, `NotNow` where its tasks take too
        long to end, or it is changed meanwhile.
        """
        connector, around = self._when_ended(name), self._around
        plugin = connector.raw, around.settings, around.data_dir
        plan = TaskPlan.of(connector.raw, run_plugin_call("plan_tasks", *plugin))
        if plan.generations:
            raise NotValid(
                f"the view of {name} holds its offsets itself, together with its rows; others would leave rows "
                f"out or write them twice. Build it anew with `headwater rebuild {name}`"
            )
        with connector_log(around.log, around.settings, around.data_dir, connector.raw) as the_log:
            if plan.kind == "sink":
                with self._still_stopped(connector):
                    alter_sink(the_log, name, self._wanted.generation(name), offsets)
                return
            topic = offsets_topic(around, connector)
            stored = source_offsets(the_log, topic, name) if offsets is None else []
            asked = [(partition, None) for partition, _ in stored] if offsets is None else list(offsets)
            run_plugin_call("alter_offsets", *plugin, offsets=asked)
            used = max(len(connector.tasks), len(plan.tasks), connector.fenced)
            ids = [transactional_id(around.settings, name, number) for number in range(used)]
            with self._still_stopped(connector):
                alter_source(the_log, topic, name, asked, ids)

    def _when_ended(self, name: str) -> Configured:
        """Waits until none of a stopped connector's tasks runs anywhere."""
        deadline = time.monotonic() + ENDED_WITHIN_S
        while True:
            with self._leading():
                connector = self._connector(name)
                if connector.target != "STOPPED":
                    raise NotValid(f"connector {name} must be stopped first: `headwater connectors stop {name}`")
                if not self._reconciler.runs_anywhere(name):
                    return connector
            if time.monotonic() > deadline:
                raise NotNow(f"tasks of {name} have not ended yet, and its offsets were not changed: ask again")
            time.sleep(LOOK_EVERY_S)

    @contextmanager
    def _still_stopped(self, before: Configured) -> Iterator[None]:
        """For the change itself. Plugins are asked before, and take their time: nobody else waits for them."""
        with self._leading():
            self._reconciler.settle()
            if self._wanted.connectors.get(before.name) != before or self._reconciler.runs_anywhere(before.name):
                raise NotNow(f"{before.name} was changed meanwhile, and its offsets were not: ask again")
            yield

    @contextmanager
    def changing(self) -> Iterator[None]:
        """For changes that are made elsewhere, of views: no other one comes between, and all that was written is known
        before and after."""
        with self._leading():
            self._reconciler.settle()
            yield
            self._reconciler.settle()

    @property
    def _wanted(self) -> Wanted:
        return self._reconciler.wanted

    @contextmanager
    def _leading(self) -> Iterator[None]:
        """One change at a time, by the leader alone."""
        with self._changing:
            if not self._wanted.assigned.leader:
                raise NotLeader("this worker is not the leader of its cluster, and nothing was changed")
            yield

    def _write(self, changes: Records) -> None:
        self._writer.write(config_messages(self._around.topics.configs, changes))

    def _connector(self, name: str) -> Configured:
        return connector_of(self._wanted, name)


def connector_of(wanted: Wanted, name: str) -> Configured:
    """Raises `NotThere`."""
    connector = wanted.connectors.get(name)
    if connector is None:
        raise NotThere(f"there is no connector {name}")
    return connector


def offsets_topic(around: Surroundings, connector: Configured) -> str:
    own = expand({"topic": connector.raw.get("offsets.storage.topic", "")})["topic"]
    return own or around.topics.offsets


def _target(state: str) -> TargetState:
    if state in ("STARTED", "RUNNING"):
        return "STARTED"
    if state == "PAUSED":
        return "PAUSED"
    if state == "STOPPED":
        return "STOPPED"
    raise NotValid(f"{state!r} is not a state; there are RUNNING, PAUSED and STOPPED")
