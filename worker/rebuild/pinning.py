"""Readers of a view at exact offsets: halt its tasks at a barrier, open, let them go on at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from headwater.worker.api import Reader, TopicPartition

from .work import POLL_S, Refused, Work

STILL_S: Final = 360.0
"""A generation that comes no nearer to its barrier for so long has stopped: the job says so instead of waiting on. It
is longer than a group may wait for a member after brokers were away, Kafka's `max.poll.interval.ms` (300 s)."""
STOPPED_S: Final = 120.0
"""The same where none of its tasks runs."""


class Stuck(Refused):
    """A generation does not come to its barrier."""

    def __init__(self, generation: int, reason: str) -> None:
        super().__init__(reason)
        self.generation = generation


Offsets = Mapping[TopicPartition, int]


def ends(work: Work, generation: int) -> dict[TopicPartition, int]:
    """The log's ends now, of the partitions that this generation reads."""
    return work.log.end_offsets(work.pipeline(generation).partitions(work.log))


def behind(reached: Offsets, until: Offsets, begins: Offsets) -> dict[TopicPartition, int]:
    """By how many offsets each partition is short of `until`; those that are there are left out."""
    short = {tp: end - max(reached.get(tp, 0), begins.get(tp, 0)) for tp, end in until.items()}
    return {tp: missing for tp, missing in short.items() if missing > 0}


def wait_until(work: Work, generation: int, until: Offsets, detail: str) -> dict[TopicPartition, int]:
    """Wait until a generation holds everything before `until`; returns where it is. Raises `Stuck`, `Aborted`."""
    best, since = None, time.monotonic()
    while True:
        begins = work.log.begin_offsets(list(until))
        reached = work.reached(generation)
        missing = sum(behind(reached, until, begins).values())
        if not missing:
            return reached
        if failure := work.tasks.failure(work.view, generation):
            raise Stuck(generation, f"generation {generation} does not run: {failure}")
        if best is None or missing < best:
            best, since = missing, time.monotonic()
        still_s = time.monotonic() - since
        if still_s > (STOPPED_S if work.tasks.stopped(work.view, generation) else STILL_S):
            raise Stuck(
                generation,
                f"generation {generation} has not moved for {still_s:.0f} s and is {missing} offsets short; "
                f"are the tasks of {work.view} paused or stopped? See `headwater status`",
            )
        total = sum(until.values()) - sum(begins.values())
        work.progress(max(0, total - missing), total, detail=detail)
        work.wait(POLL_S)


@contextmanager
def held(work: Work, generations: Sequence[int], at: Mapping[int, Offsets]) -> Iterator[None]:
    """The barrier stands at `at` for these generations while the block runs, and is taken away however it ends."""
    work.set_barriers({number: at[number] for number in generations})
    try:
        yield
    finally:
        work.set_barriers(dict.fromkeys(generations))


@contextmanager
def pinned(work: Work, generations: Sequence[int]) -> Iterator[dict[int, Reader]]:
    """A reader of each generation, all at the same offsets where they read the same partitions."""
    readers: dict[int, Reader] = {}
    try:
        at = {number: ends(work, number) for number in generations}
        with held(work, generations, at):
            _equalise(work, generations, at)
            for number in generations:
                readers[number] = work.pipeline(number).generations.pin(number)
        yield readers
    finally:
        for reader in readers.values():
            reader.close()


def _equalise(work: Work, generations: Sequence[int], at: dict[int, dict[TopicPartition, int]]) -> None:
    """Move the barrier until all stand at it. A task may have run past it before it saw it; then all go there."""
    for _ in range(10):
        reached = {n: wait_until(work, n, at[n], f"generation {n} goes to the barrier") for n in generations}
        furthest: dict[TopicPartition, int] = {}
        for number in generations:
            for tp in at[number]:
                furthest[tp] = max(furthest.get(tp, 0), at[number][tp], reached[number].get(tp, 0))
        moved = {n: {tp: furthest[tp] for tp in at[n]} for n in generations}
        if moved == at:
            return
        at.update(moved)
        if len(generations) == 1:
            return  # a single reader is compared where it stands
        work.set_barriers({n: at[n] for n in generations})
    raise Refused("the generations could not be brought to the same offsets; try again when fewer changes come in")
