"""What the stages of a job work with: the log, the view's record, its generations, and the way to tell and be told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from headwater.worker.api import HeadwaterError, Retriable, TopicPartition, is_again
from headwater.worker.cluster.view_state import GenerationState, Job, RawConfig, ViewState, Wish
from headwater.worker.log.contract import Log
from headwater.worker.observe.progress import Meter, Reading
from headwater.worker.runtime.internal_topics import InternalTopics
from headwater.worker.runtime.task_spec import consumer_group

from .view_pipeline import ViewPipeline
from .views_log import Barriers, ViewsLog, ViewWriter

log_lines = logging.getLogger(__name__)

POLL_S = 0.25
"""How often the stages look again at what they wait for."""

_NOTHING_DONE: Final[tuple[int, int | None, str]] = (0, None, "records")


class Aborted(Exception):
    """A user asked for the job to be given up."""


class Refused(HeadwaterError):
    """The job cannot reach its aim. `reasons`: sentences for the user; nothing that readers see has changed."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = list(reasons)


class TaskStates(Protocol):
    """What is known of the tasks of a generation."""

    def failure(self, view: str, generation: int) -> str | None:
        """Why they do not run any more and will not by themselves; None where they do."""
        ...

    def stopped(self, view: str, generation: int) -> bool:
        """Does none of them run?"""
        ...


Emit = Callable[[Mapping[str, Any]], None]


class Work:
    """One view's job, in the one process that may write the view's record."""

    def __init__(
        self,
        view: str,
        log: Log,
        settings: Mapping[str, str],
        tasks: TaskStates,
        emit: Emit,
        learn_secrets: Callable[[set[str]], None] = lambda values: None,
        redact: Callable[[str], str] = lambda text: text,
    ) -> None:
        self.view = view
        self.log = log
        self.settings = settings
        self.topics = InternalTopics.of(settings)
        self.tasks = tasks
        self._emit = emit
        self.learn_secrets = learn_secrets
        self.redact = redact
        self._writer = ViewWriter(log, self.topics, settings.get("group.id", "headwater"), view)
        self._views = ViewsLog(log, self.topics)
        self._views.refresh()
        self.state: ViewState = self._views.state(view)
        self._lift_left_barriers()
        self._pipelines: dict[str, tuple[RawConfig, ViewPipeline]] = {}
        self._meter = Meter()
        self._stage = ""
        self._done = _NOTHING_DONE

    def _lift_left_barriers(self) -> None:
        """A process that was killed has left them standing, and the view with them."""
        left = [number for number in self._numbers() if self._views.halted(self.view, number)]
        if left:
            self.set_barriers(dict.fromkeys(left))

    def _numbers(self) -> set[int]:
        """Of all generations that the record knows."""
        job, state = self.state.job, self.state
        return {state.current, *state.generations, *([job.generation] if job and job.generation else [])}

    @property
    def job(self) -> Job:
        assert self.state.job is not None
        return self.state.job

    @property
    def number(self) -> int:
        """The generation that the job is about."""
        assert self.job.generation is not None
        return self.job.generation

    def note(self, name: str, default: Any = None) -> Any:
        return self.job.notes.get(name, default)

    def option(self, name: str, default: Any = None) -> Any:
        return self.job.options.get(name, default)

    # --- the record

    def write(self, state: ViewState, barriers: Barriers | None = None, config: RawConfig | None = None) -> None:
        """Durable when it returns. Raises `Fenced` where another process has taken the job over."""
        self._writer.write(state, barriers, config)
        self.state = state

    def set_barriers(self, barriers: Barriers) -> None:
        self._writer.set_barriers(barriers)

    def move(
        self, stage: str, state: ViewState | None = None, notes: Mapping[str, Any] | None = None, **job: Any
    ) -> None:
        """Go on to `stage`; `state` is what else has changed, `job` and `notes` what the job has learnt."""
        base = state or self.state
        assert base.job is not None
        changed = replace(
            base.job, stage=stage, stage_since_ms=now_ms(), notes={**base.job.notes, **(notes or {})}, **job
        )
        log_lines.info("%s of view %s: %s -> %s", base.job.kind, self.view, base.job.stage, stage)
        self.write(replace(base, job=changed))

    def take_note(self, **notes: Any) -> None:
        job = replace(self.job, notes={**self.job.notes, **notes})
        self.write(replace(self.state, job=job))

    def finish(
        self, outcome: str, reasons: list[str], state: ViewState | None = None, config: RawConfig | None = None
    ) -> None:
        """The job is over: its history entry, and no barrier that still stands."""
        base, job = state or self.state, self.job
        entry = {
            "id": job.id,
            "kind": job.kind,
            "outcome": outcome,
            "stage": job.stage,
            "started_ms": job.started_ms,
            "at_ms": now_ms(),
            "generation": job.generation,
            "instead_of": job.instead_of,
            "options": dict(job.options),
            "reasons": [self.redact(reason) for reason in reasons],
            **{name: job.notes[name] for name in ("plan", "result", "rows_replayed", "replay_s") if name in job.notes},
        }
        known = {*base.generations, *self._numbers()}
        # The first reason alone: others may be rows of the view, which have no place in a log file.
        log_lines.info("%s of view %s: %s %s", job.kind, self.view, outcome, self.redact("; ".join(reasons[:1])))
        self.write(replace(base.with_history(entry), job=None), dict.fromkeys(known), config)
        self._emit({"stage": outcome, "detail": "; ".join(reasons[:1])})

    # --- generations

    def config_of(self, generation: int) -> RawConfig:
        """The config that a generation runs with, or is about to be built with."""
        if generation in self.state.generations:
            return self.state.generations[generation].config
        if self.state.job and self.state.job.config is not None:
            return self.state.job.config
        return self.state.generations[self.state.current].config

    def pipeline(self, generation: int) -> ViewPipeline:
        """Opened once a config; raises `ConfigError` where the config is not valid (any more)."""
        return self._opened(str(generation), self.config_of(generation))

    def pipeline_of_config(self) -> ViewPipeline:
        """Opened with the job's own config, before its generation has a number."""
        return self._opened("config", self.job.config or self.config_of(self.state.current))

    def _opened(self, name: str, raw: RawConfig) -> ViewPipeline:
        held = self._pipelines.get(name)
        if held and held[0] == raw:
            return held[1]
        self._shut(name)
        pipeline = ViewPipeline(self.view, raw, self.settings, self.wait_for_record)
        self.learn_secrets(pipeline.secrets)
        self._pipelines[name] = (raw, pipeline)
        return pipeline

    def _shut(self, name: str) -> None:
        if held := self._pipelines.pop(name, None):
            held[1].close()

    def reopen(self) -> None:
        """Connections may have gone bad: the next use opens new ones."""
        for name in list(self._pipelines):
            self._shut(name)

    def generation_state(self, number: int) -> GenerationState | None:
        return self.state.generations.get(number)

    def group(self, generation: int) -> str:
        """The consumer group of a generation's tasks."""
        return consumer_group(self.view, generation)

    def reached(self, generation: int) -> dict[TopicPartition, int]:
        """Next offset of each partition that this generation holds everything before.

        The view's own offsets; the group's where they are further: then nothing was there to write in between.
        """
        view = self.pipeline(generation).generations.offsets(generation)
        group = self.log.committed(self.group(generation))
        return {tp: max(view.get(tp, 0), group.get(tp, 0)) for tp in {*view, *group} if not is_again(tp.topic)}

    # --- telling and being told

    def wish(self) -> Wish | None:
        self._views.refresh()
        return self._views.wish(self.view, self.job.id)

    def check(self) -> None:
        """Raises `Aborted` where a user asked for it. Not to be called once the target has made the swap."""
        if self.wish() == "abort":
            raise Aborted

    def wait(self, seconds: float = POLL_S) -> None:
        """Raises `Aborted`."""
        time.sleep(seconds)
        self.check()

    def wait_for_record(self, seconds: float, why: str) -> bool:
        """Before a record is tried again; True where a user asked for the job to be given up meanwhile."""
        end = time.monotonic() + seconds
        self._tell(why)
        while not self._given_up():
            if (left := end - time.monotonic()) <= 0:
                return False
            time.sleep(min(left, POLL_S))
        return True

    def _given_up(self) -> bool:
        """A log that does not answer for a moment says nothing about the record that is waited for."""
        try:
            return self.wish() == "abort"
        except Retriable as error:
            log_lines.warning("whether the job of %s is to be given up is asked again: %s", self.view, error)
            return False

    def progress(self, done: int = 0, total: int | None = None, unit: str = "records", detail: str = "") -> None:
        """Tell how far the current stage is."""
        if self._stage != self.job.stage:
            self._stage, self._meter = self.job.stage, Meter()
        self._meter.add(done, total)
        self._done = (done, total, unit)
        self._tell(detail)

    def _tell(self, detail: str) -> None:
        if self.state.job is None:
            return
        reading: Reading = self._meter.read()
        done, total, unit = self._done if self._stage == self.job.stage else _NOTHING_DONE
        self._emit(
            {
                "stage": self.job.stage,
                "done": done,
                "total": total,
                "unit": unit,
                "detail": detail,
                "rate": reading.rate,
                "eta_s": reading.eta_s,
            }
        )

    def close(self) -> None:
        self.reopen()
        self._views.close()
        self._writer.close()


def now_ms() -> int:
    return time.time_ns() // 1_000_000
