"""What users ask of a view, written to the log for the job's process: checked here, done there.

What changes a record is called from one thread at a time, on the one worker that may write views' records (the
leader); what reads, from any.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any, Final

import orjson

from headwater.worker.api import Fenced, HeadwaterError
from headwater.worker.cluster.view_state import GenerationState, Job, JobKind, RawConfig, ViewState, Wish
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Log
from headwater.worker.runtime.internal_topics import InternalTopics

from .stages import FIRST
from .swap import KEEP_MS
from .views_log import ViewsLog, ViewWriter, write_wish
from .work import now_ms

_UNITS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class BadRequest(HeadwaterError):
    """What was asked makes no sense; nothing has changed."""


class Conflict(HeadwaterError):
    """It cannot be done now; nothing has changed."""


class NoSuchView(HeadwaterError):
    """No connector of that name, or none that keeps a view."""


def parse_duration(text: str | int) -> int:
    """Milliseconds of "24h", "30m", "10s", "500ms", "7d", "0"; a bare number is milliseconds. Raises `BadRequest`."""
    found = re.fullmatch(r"\s*(\d+)\s*(ms|s|m|h|d)?\s*", str(text))
    if not found:
        raise BadRequest(f"{text!r} is not a time: write it like 24h, 30m, 10s")
    return int(found[1]) * _UNITS[found[2] or "ms"]


class ViewRequests:
    """`settings`: the worker's options as text."""

    def __init__(self, log: Log, settings: Mapping[str, str]) -> None:
        self._log = log
        self._topics = InternalTopics.of(settings)
        self._group_id = settings.get("group.id", "headwater")
        self._reading = threading.Lock()
        self._views: ViewsLog | None = None

    def states(self) -> dict[str, ViewState]:
        """Every view that has a record."""
        with self._refreshed() as views:
            return views.states()

    def state(self, view: str) -> ViewState:
        """The view's record; one that says generation 1 where there is none."""
        with self._refreshed() as views:
            return views.state(view)

    @contextmanager
    def _refreshed(self) -> Iterator[ViewsLog]:
        """One reader, kept: pollers come often. Whatever goes wrong with it, the next one is new."""
        with self._reading:
            views, self._views = self._views or ViewsLog(self._log, self._topics), None
            try:
                views.refresh()
                yield views
                self._views = views
            finally:
                if self._views is None:
                    views.close()

    def close(self) -> None:
        with self._reading:
            if self._views is not None:
                self._views.close()
                self._views = None

    def rebuild(self, view: str, config: RawConfig | None, options: Mapping[str, Any]) -> Job:
        """Start a rebuild; `config` None: with the config that the live generation has.

        Options: `promote` auto|manual, `keep` (a time) or `keep_ms`, `dry_run`, `keep_failed`, `barrier_lag`.
        Raises `BadRequest`, `Conflict`, `NoSuchView`.
        """
        checked = rebuild_options(options)
        if config is not None and config.get("name", view) != view:
            raise BadRequest(f"the config names the connector {config['name']}, not {view}: set name: {view}")
        with self._changing(view) as (state, writer):
            live = state.generations[state.current].config
            wanted = dict(live if config is None else config) | {"name": view}
            return self._start(state, writer, "rebuild", checked, config=wanted)

    def verify(self, view: str, options: Mapping[str, Any]) -> Job:
        """Start a verification of what readers see. Option: `source`. Raises as `rebuild`."""
        _known(options, {"source"})
        with self._changing(view) as (state, writer):
            return self._start(state, writer, "verify", {"source": _flag(options, "source")}, generation=state.current)

    def rollback(self, view: str, options: Mapping[str, Any]) -> Job:
        """Start to go back to the generation that was replaced last. Option: `keep`. Raises as `rebuild`."""
        _known(options, {"keep", "keep_ms"})
        with self._changing(view) as (state, writer):
            kept = state.kept()
            if kept is None:
                raise Conflict(_no_way_back(state))
            checked = {"keep_ms": _keep_ms(options)}
            return self._start(state, writer, "rollback", checked, generation=kept, instead_of=state.current)

    def wish(self, view: str, wish: Wish) -> Job:
        """Ask the running job to be given up, or a verified generation to be promoted. Raises `Conflict`."""
        job = self.state(view).job
        if job is None:
            raise Conflict(f"no job is running for {view}: there is nothing to {wish}")
        if wish == "promote" and (job.kind != "rebuild" or job.options.get("promote") != "manual"):
            raise Conflict(f"the {job.kind} of {view} promotes by itself or not at all")
        write_wish(self._log, self._topics, view, job.id, wish)
        return job

    def drop_failed(self, view: str) -> int | None:
        """Drop a failed generation that was kept for inspection; its number, or None where there is none."""
        with self._changing(view) as (state, writer):
            failed = max((n for n, g in state.generations.items() if g.phase == "failed"), default=None)
            if failed is not None:
                dropped = replace(state.generations[failed], phase="dropping")
                writer.write(state.with_generation(failed, dropped))
            return failed

    @contextmanager
    def _changing(self, view: str) -> Iterator[tuple[ViewState, ViewWriter]]:
        """The record, complete, and the right to write it. Raises `Conflict` where a job has that right or takes it."""
        config = self._config(view)
        _demand_idle(self.state(view))
        # Making the writer fences a process that drops old generations; it is started again and goes on.
        with closing(ViewWriter(self._log, self._topics, self._group_id, view)) as writer:
            state = self.state(view)
            _demand_idle(state)
            if state.current not in state.generations:
                state = state.with_generation(state.current, GenerationState(config, "live", now_ms()))
            try:
                yield state, writer
            except Fenced as error:
                raise Conflict(
                    f"the job of {view} that drops old generations began at the same moment, and this was not done. "
                    "Ask again"
                ) from error

    def _config(self, view: str) -> RawConfig:
        with closing(CompactedDict(self._log, self._topics.configs)) as configs:
            configs.refresh()
            value = configs.get(f"connector-{view}".encode())
        if value is None:
            raise NoSuchView(f"there is no connector {view}")
        properties: dict[str, str] = orjson.loads(value)["properties"]
        return properties

    def _start(
        self, state: ViewState, writer: ViewWriter, kind: JobKind, options: Mapping[str, Any], **more: Any
    ) -> Job:
        now = now_ms()
        job = Job(secrets.token_hex(8), kind, FIRST[kind], now, now, options, **more)
        writer.write(replace(state, job=job))
        return job


def rebuild_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Checked and complete. Raises `BadRequest`."""
    _known(options, {"promote", "keep", "keep_ms", "dry_run", "keep_failed", "barrier_lag"})
    promote = options.get("promote", "auto")
    if promote not in ("auto", "manual"):
        raise BadRequest(f"promote is auto or manual, not {promote!r}")
    checked = {
        "promote": promote,
        "keep_ms": _keep_ms(options),
        "dry_run": _flag(options, "dry_run"),
        "keep_failed": _flag(options, "keep_failed"),
    }
    if "barrier_lag" in options:
        checked["barrier_lag"] = parse_duration(options["barrier_lag"])
    return checked


def _known(options: Mapping[str, Any], names: set[str]) -> None:
    if unknown := sorted(set(options) - names):
        raise BadRequest(f"unknown: {', '.join(unknown)}; there are {', '.join(sorted(names))}")


def _flag(options: Mapping[str, Any], name: str) -> bool:
    value = options.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(f"{name} is true or false, not {value!r}")
    return value


def _keep_ms(options: Mapping[str, Any]) -> int:
    if "keep" in options:
        return parse_duration(options["keep"])
    return parse_duration(options.get("keep_ms", KEEP_MS))


def _demand_idle(state: ViewState) -> None:
    if state.job is not None:
        raise Conflict(
            f"a {state.job.kind} of {state.view} is running (stage {state.job.stage}); wait for it, or give it up with "
            f"`headwater rebuild {state.view} --abort`"
        )


def _no_way_back(state: ViewState) -> str:
    swaps = [e for e in state.history if e["kind"] in ("rebuild", "rollback") and e["outcome"] == "done"
             and not e.get("options", {}).get("dry_run")]  # fmt: skip
    if not swaps:
        return f"{state.view} has never been rebuilt: there is no generation to go back to"
    return (
        f"no earlier generation of {state.view} is kept any more: generation {swaps[-1].get('instead_of')} was dropped "
        "when its time was over (--keep). Rebuild with the old config instead"
    )
