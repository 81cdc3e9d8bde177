"""What the log says of one view: its generations, the job that works on it, what became of earlier jobs.

Format 1, on the compacted topic `headwater-views` (JSON keys and values, UTF-8, no spaces in keys):

* `["view",NAME]`: a `ViewState`. While it holds a job, only that job's process writes it; else only the worker.
* `["wish",NAME]`: `{"format":1,"job":ID,"wish":"abort"|"promote"}`, what a user asks of a running job.
* `["halt",NAME,GENERATION]`: see `runtime.barrier`.

A view without a record has one generation, number 1, that runs with the connector's config.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal, cast

import orjson

from headwater.worker.api import HeadwaterError

from .view_shape import shape_differences

FORMAT: Final = 1
HISTORY: Final = 20
"""Finished jobs that a view's record remembers."""

GenerationPhase = Literal["building", "live", "kept", "failed", "dropping"]
"""`building` and `kept` follow the log like `live`. `failed`: built, not promoted, stopped, there to be looked at."""
JobKind = Literal["rebuild", "verify", "rollback"]
Wish = Literal["abort", "promote"]
RawConfig = Mapping[str, str]


class UnreadableState(HeadwaterError):
    """The record was written by a newer Headwater, or is damaged."""


@dataclass(frozen=True, slots=True)
class GenerationState:
    """One generation. `config`: the connector's config as written, secrets unexpanded. Times in ms since 1970."""

    config: RawConfig
    phase: GenerationPhase
    created_ms: int
    keep_until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What is being done. `generation` is what is built, verified or gone back to; None until it has been chosen.

    `stage` and `notes` belong to `rebuild.stages`; `notes` is JSON: plan, findings, barrier, result.
    """

    id: str
    kind: JobKind
    stage: str
    started_ms: int
    stage_since_ms: int
    options: Mapping[str, Any] = field(default_factory=dict)
    config: RawConfig | None = None
    generation: int | None = None
    instead_of: int | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ViewState:
    """`next_generation` only rises: a number, and with it a consumer group, is never used twice.

    `replaced`: checksums of configs that a rebuild or rollback has taken out of service, newest last: a config file
    that still says one of them is out of date, not a change that the user wants.
    `history`: newest last, `{"id","kind","outcome":"done"|"failed"|"aborted","at_ms","generation","reasons",…}`.
    """

    view: str
    current: int = 1
    next_generation: int = 2
    generations: Mapping[int, GenerationState] = field(default_factory=dict)
    job: Job | None = None
    replaced: tuple[str, ...] = ()
    history: tuple[Mapping[str, Any], ...] = ()

    def running(self) -> dict[int, RawConfig | None]:
        """Generations whose tasks have to run, with their config; None: the connector's own."""
        if not self.generations:
            return {self.current: None}
        return {n: g.config for n, g in self.generations.items() if g.phase not in ("dropping", "failed")}

    def needs_process(self, now_ms: int) -> bool:
        """Does a job process have work: a job, or a generation to drop?"""
        return self.job is not None or bool(self.to_drop(now_ms))

    def to_drop(self, now_ms: int) -> list[int]:
        """Generations that are dropping, or whose time as a kept or failed one is over."""
        return [n for n, g in self.generations.items() if g.phase == "dropping" or _over(g, now_ms)]

    def kept(self) -> int | None:
        """The generation that a rollback goes back to."""
        return max((n for n, g in self.generations.items() if g.phase == "kept"), default=None,
                   key=lambda n: self.generations[n].keep_until_ms or 0)  # fmt: skip

    def superseded(self, config: RawConfig) -> bool:
        """Does a file that still says `config` say what a rebuild or rollback has replaced since?"""
        return bool(self.generations) and config_checksum(config) in self.replaced

    def taken_back(self, config: RawConfig) -> list[str]:
        """Names of the options by which `config` would undo, in the live rows from now on, what a rebuild has done.

        [] where no rebuild or rollback has changed the config, and while a job is about to settle it.
        """
        live = self.generations.get(self.current)
        if live is None or self.job is not None or not self.replaced or dict(live.config) == dict(config):
            return []
        different = shape_differences(live.config, config)
        if not different and self.superseded(config):
            names = {*live.config, *config}
            return sorted(name for name in names if live.config.get(name) != config.get(name))
        return different

    def with_current_config(self, config: RawConfig) -> ViewState:
        """The user has changed the live view's config: what its record must say. Only without a job."""
        if self.current not in self.generations:
            return self
        changed = replace(self.generations[self.current], config=dict(config))
        replaced = tuple(c for c in self.replaced if c != config_checksum(config))
        return replace(self, generations={**self.generations, self.current: changed}, replaced=replaced)

    def with_generation(self, number: int, state: GenerationState | None) -> ViewState:
        """A copy in which generation `number` is `state`, or gone where it is None."""
        others = {n: g for n, g in self.generations.items() if n != number}
        return replace(self, generations=others if state is None else {**others, number: state})

    def with_history(self, entry: Mapping[str, Any]) -> ViewState:
        """A copy that remembers this job too; older ones without what they planned and compared."""
        slim = tuple({k: v for k, v in old.items() if k not in ("plan", "result")} for old in self.history[:-2])
        return replace(self, history=(*slim, *self.history[-2:], entry)[-HISTORY:])


def _over(generation: GenerationState, now_ms: int) -> bool:
    until = generation.keep_until_ms
    return generation.phase in ("kept", "failed") and until is not None and until <= now_ms


def current_generation(view: ViewState | None) -> int:
    """The one that readers see; `view` None: it has no record, as no source has."""
    return 1 if view is None else view.current


def config_checksum(config: RawConfig) -> str:
    """The same for configs that say the same in another order."""
    return hashlib.sha256(orjson.dumps(dict(config), option=orjson.OPT_SORT_KEYS)).hexdigest()


def view_key(view: str) -> bytes:
    return orjson.dumps(["view", view])


def wish_key(view: str) -> bytes:
    return orjson.dumps(["wish", view])


def dump_state(state: ViewState) -> bytes:
    document = asdict(state)
    document["generations"] = {str(n): asdict(g) for n, g in state.generations.items()}
    return orjson.dumps({"format": FORMAT, **document})


def load_state(value: bytes) -> ViewState:
    """Raises `UnreadableState`."""
    document = _document(value)
    try:
        job = document["job"]
        return ViewState(
            view=document["view"],
            current=document["current"],
            next_generation=document["next_generation"],
            generations={int(n): GenerationState(**g) for n, g in document["generations"].items()},
            job=None if job is None else Job(**job),
            replaced=tuple(document["replaced"]),
            history=tuple(document["history"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableState(f"a view's record on the log is damaged: {error!r}") from error


def dump_wish(job: str, wish: Wish) -> bytes:
    return orjson.dumps({"format": FORMAT, "job": job, "wish": wish})


def load_wish(value: bytes) -> tuple[str, Wish]:
    """The job's id and what is asked of it."""
    document = _document(value)
    return document["job"], cast(Wish, document["wish"])


def _document(value: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(value)
        number = document["format"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise UnreadableState(f"a record on the views topic is damaged: {error!r}") from error
    if number != FORMAT:
        raise UnreadableState(
            f"a record on the views topic has format {number}, this Headwater knows {FORMAT}: "
            "a newer Headwater wrote it; run that one, or a newer one still"
        )
    return cast(dict[str, Any], document)
