"""A generation against an independent fold of the log through its own config, at exact offsets."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final

from headwater.worker.api import ExpectedRow, Reader, TopicPartition, is_again
from headwater.worker.log.contract import Message

from .comparison import Comparison, compare, compare_keys
from .fold import Fold
from .log_reading import read_between
from .pinning import Stuck, behind, ends, pinned
from .view_pipeline import Expect
from .work import Work

FOLLOWS_S: Final = 5.0
"""A live generation that has not reached the log's end after so long is not compared."""


def verify_generation(work: Work, generation: int, other: int | None = None) -> dict[str, Any]:
    """Compare with the log; with `other`, a second generation, in its keys. Raises `Refused`, `Aborted`.

    Returns JSON: `Comparison.document()`, with "against": "log", "offsets": of the comparison, "keys": what differs
    from `other`. Keys that differ are no failure: another config may keep other rows.
    """
    apart = None if other is None else _too_far(work, other)
    if other is not None and apart is None:
        try:
            return _verify(work, generation, other)
        except Stuck as error:
            if error.generation != other:
                raise
            apart = str(error)  # a rebuild may be what mends it: it does not have to be compared
    result = _verify(work, generation, None)
    return result if apart is None else {**result, "keys": [apart]}


def _verify(work: Work, generation: int, other: int | None) -> dict[str, Any]:
    with pinned(work, [generation] if other is None else [generation, other]) as readers:
        reader = readers[generation]
        result = against_log(work, generation, reader).document(work.pipeline(generation).plan.reveals)
        result["against"] = "log"
        result["offsets"] = {str(tp): offset for tp, offset in sorted(reader.offsets.items()) if not is_again(tp.topic)}
        if other is not None:
            work.progress(detail=f"comparing the keys with generation {other}")
            result["keys"] = compare_keys(reader, readers[other])
        return result


def _too_far(work: Work, other: int) -> str | None:
    """Why the generation that readers see cannot be brought to the same offsets: a rebuild may be what mends that."""
    if failure := work.tasks.failure(work.view, other):
        return f"generation {other} was not compared: {failure}"
    reached = work.reached(other)  # before the ends, which only move on
    until = ends(work, other)
    begins = work.log.begin_offsets(list(until))
    if any(offset > until.get(tp, offset) for tp, offset in reached.items()):
        return f"generation {other} was not compared: it holds records that are not on this log"
    deadline = time.monotonic() + FOLLOWS_S
    while lag := sum(behind(work.reached(other), until, begins).values()):
        if time.monotonic() > deadline:
            return f"generation {other} was not compared: it is {lag} records behind the log and does not catch up"
        work.wait()
    return None


def against_log(work: Work, generation: int, reader: Reader) -> Comparison:
    """Fold the log up to where the reader stands and compare."""
    partitions = work.pipeline(generation).partitions(work.log)
    begins = work.log.begin_offsets(partitions)
    until = {tp: reader.offsets.get(tp, begins[tp]) for tp in partitions}
    fold = Fold()
    try:
        skipped = fold_log(work, generation, fold, begins, until, getattr(reader, "refused", ()))
        work.progress(detail="comparing with the view")
        pipeline = work.pipeline(generation)
        compacted = any(info.compacted for info in pipeline.topics(work.log).values())
        lossy = compacted or any(begins.values())
        later = later_rows(work, generation, until)
        untold = fold.unfilled | skipped if lossy else set()
        return compare(fold, reader, lambda: later() | untold, forgotten=lossy and pipeline.generations.every_record)
    finally:
        fold.close()


def fold_log(
    work: Work,
    generation: int,
    fold: Fold,
    first: Mapping[TopicPartition, int],
    until: Mapping[TopicPartition, int],
    refused: Collection[tuple[str, int, int]] = (),
) -> set[tuple[str, bytes]]:
    """Fold what this generation's config makes of the log between two sets of offsets, but for the records `refused`.

    Returns part and key of the rows that these would have changed last: what such a row was before, a compacted log may
    not tell any more.
    """
    skipped: set[tuple[str, bytes]] = set()
    total = sum(max(0, end - first.get(tp, 0)) for tp, end in until.items())
    done = 0
    pipeline = work.pipeline(generation)
    with pipeline.expectation() as expect, pipeline.expectation() as aside:
        for messages in read_between(work.log, first, until, work.check):
            done += len(messages)
            fold.add(_but_for(refused, messages, expect, aside, skipped) if refused else expect(messages))
            work.progress(min(done, total), total, detail="folding the log")
    return skipped


def _but_for(
    refused: Collection[tuple[str, int, int]],
    messages: Iterable[Message],
    expect: Expect,
    aside: Expect,
    skipped: set[tuple[str, bytes]],
) -> Iterator[ExpectedRow]:
    """What the messages make of the view that it did not refuse. `skipped`: rows that wait for such a message."""
    for out, some in groupby(messages, lambda m: (m.topic, m.partition, m.offset) in refused):
        if out:
            skipped.update((row.part, row.key) for row in aside(some))
            continue
        for row in expect(some):
            skipped.discard((row.part, row.key))
            yield row


def later_rows(
    work: Work, generation: int, since: Mapping[TopicPartition, int]
) -> Callable[[], set[tuple[str, bytes]]]:
    """The rows that the log touches after `since`.

    Compaction may meanwhile have taken the record that made such a row, before the fold or the view has seen it.
    """

    def touched() -> set[tuple[str, bytes]]:
        rows: set[tuple[str, bytes]] = set()
        with work.pipeline(generation).expectation() as expect:
            for messages in read_between(work.log, since, ends(work, generation), work.check):
                rows.update((row.part, row.key) for row in expect(messages))
        return rows

    return touched
