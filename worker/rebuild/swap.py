"""Letting readers see another generation, and what is left of the ones that they do not see any more."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Final

from headwater.worker.api import ConfigError
from headwater.worker.cluster.view_state import GenerationState, ViewState, config_checksum

from .pinning import ends, wait_until
from .view_pipeline import ViewPipeline
from .work import POLL_S, Refused, Work, now_ms

log_lines = logging.getLogger(__name__)

KEEP_MS: Final = 24 * 3600 * 1000
STOP_S: Final = 30.0
"""How long a dropped generation's tasks are waited for; the view's own fence stops them in any case."""


def is_current(work: Work, generation: int) -> bool:
    """Does the target say that readers see this generation?"""
    return any(info.current and info.number == generation for info in work.pipeline(generation).generations.list())


def adopt_target(work: Work) -> None:
    """Where readers see another generation than the record says, and the record knows it, the record follows.

    The target was restored, or emptied and filled anew by the task of a kept generation.
    """
    state = work.state
    there = {info.number: info.current for info in work.pipeline(state.current).generations.list()}
    seen = next((number for number, current in there.items() if current), state.current)
    if seen == state.current or seen not in state.generations:
        return
    log_lines.warning("readers of view %s see generation %d, not %d: so it is", work.view, seen, state.current)
    after = swapped(state, seen, now_ms(), KEEP_MS if state.current in there else 0)
    work.write(after, config=after.generations[seen].config)


def swap(work: Work) -> None:
    """Promote the job's generation and finish the job. After a crash: the target's own record decides.

    Raises `Refused` where the generation cannot catch up with the one that readers see, `Fatal` where that is not
    the one which the job was to replace.
    """
    number, replaced = work.number, work.job.instead_of
    there = {info.number: info.current for info in work.pipeline(number).generations.list()}
    seen = next((n for n, current in there.items() if current), None)
    if seen != number:
        if replaced not in there:
            replaced = seen  # emptied, or filled through another log: what is there now gives way
        elif replaced is not None:
            live, there_is = work.reached(replaced), ends(work, number)  # a live one of a lost log is beyond its ends
            until = {tp: min(offset, there_is[tp]) for tp, offset in live.items() if tp in there_is}
            wait_until(work, number, until, "catching up with the live one")
        work.check()
        work.pipeline(number).generations.promote(number, replaced)
    keep_ms = int(work.option("keep_ms", KEEP_MS)) if work.state.current in there else 0
    after = swapped(work.state, number, now_ms(), keep_ms)
    for stranger in set(there) - set(after.generations):
        log_lines.warning("generation %d of view %s, which the log does not know, is dropped", stranger, work.view)
        config = after.generations[number].config
        after = after.with_generation(stranger, GenerationState(config, "dropping", now_ms()))
    work.finish("done", [], after, after.generations[number].config)


def swapped(state: ViewState, number: int, at_ms: int, keep_ms: int) -> ViewState:
    """The record once readers see `number`: the generation that it replaces is kept for `keep_ms`, then dropped."""
    new, old = state.generations[number], state.generations.get(state.current)
    replaced = [c for c in state.replaced if c != config_checksum(new.config)]
    generations: dict[int, GenerationState] = dict(state.generations)
    generations[number] = replace(new, phase="live", keep_until_ms=None)
    if old is not None and state.current != number:
        if config_checksum(old.config) != config_checksum(new.config):
            replaced = [*(c for c in replaced if c != config_checksum(old.config)), config_checksum(old.config)]
        kept = replace(old, phase="kept", keep_until_ms=at_ms + keep_ms)
        generations[state.current] = kept if keep_ms > 0 else replace(old, phase="dropping")
    return replace(state, current=number, generations=generations, replaced=tuple(replaced))


def drop_what_is_over(work: Work) -> None:
    """Stop and remove generations that are dropping or were kept long enough. Nothing of them stays behind."""
    for number in work.state.to_drop(now_ms()):
        generation = work.state.generations[number]
        if generation.phase != "dropping":
            work.write(work.state.with_generation(number, replace(generation, phase="dropping")))
        _await_stop(work, number)
        pipeline = _any_pipeline(work, number)
        if any(info.current and info.number == number for info in pipeline.generations.list()):
            raise Refused(f"generation {number} of {work.view} is the one that readers see and is not dropped")
        pipeline.generations.drop(number)
        work.log.delete_group(work.group(number))
        log_lines.info("generation %d of view %s is dropped", number, work.view)
        work.write(work.state.with_generation(number, None), {number: None})


def _any_pipeline(work: Work, number: int) -> ViewPipeline:
    """Through the generation's own config; through the live one's where that is not valid any more."""
    try:
        return work.pipeline(number)
    except ConfigError as error:
        log_lines.warning("the config of generation %d is not valid any more: %s", number, error)
        return work.pipeline(work.state.current)


def _await_stop(work: Work, number: int) -> None:
    deadline = time.monotonic() + STOP_S
    while not work.tasks.stopped(work.view, number):
        if time.monotonic() > deadline:
            log_lines.warning("tasks of generation %d of %s do not stop; it is dropped", number, work.view)
            return
        time.sleep(POLL_S)
