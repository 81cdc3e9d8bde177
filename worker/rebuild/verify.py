"""A generation against an independent fold of the log through its own config, at exact offsets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from headwater.worker.api import Reader, TopicPartition

from .comparison import Comparison, Touched, compare, compare_keys
from .fold import Fold
from .log_reading import read_between
from .pinning import behind, ends, pinned
from .work import Work

FAR: Final = 100_000
"""A live generation that is further behind is not waited for."""


def verify_generation(work: Work, generation: int, other: int | None = None) -> dict[str, Any]:
    """Compare with the log; with `other`, a second generation, in its keys. Raises `Refused`, `Aborted`.

    Returns JSON: `Comparison.document()`, with "against": "log", "offsets": of the comparison, "keys": what differs
    from `other`. Keys that differ are no failure: another config may keep other rows.
    """
    apart = None if other is None else _too_far(work, other)
    generations = [generation] if other is None or apart else [generation, other]
    with pinned(work, generations) as readers:
        reader = readers[generation]
        result = against_log(work, generation, reader).document()
        result["against"] = "log"
        result["offsets"] = {str(tp): offset for tp, offset in sorted(reader.offsets.items())}
        if apart:
            result["keys"] = [apart]
        elif other is not None:
            work.progress(detail=f"comparing the keys with generation {other}")
            result["keys"] = compare_keys(reader, readers[other])
        return result


def _too_far(work: Work, other: int) -> str | None:
    """Why the generation that readers see cannot be brought to the same offsets: a rebuild may be what mends that."""
    if failure := work.tasks.failure(work.view, other):
        return f"generation {other} was not compared: {failure}"
    until = ends(work, other)
    lag = sum(behind(work.reached(other), until, work.log.begin_offsets(list(until))).values())
    return f"generation {other} was not compared: it is {lag} records behind" if lag > FAR else None


def against_log(work: Work, generation: int, reader: Reader) -> Comparison:
    """Fold the log up to where the reader stands and compare."""
    partitions = work.pipeline(generation).partitions(work.log)
    begins = work.log.begin_offsets(partitions)
    until = {tp: reader.offsets.get(tp, begins[tp]) for tp in partitions}
    fold = Fold()
    try:
        fold_log(work, generation, fold, begins, until)
        work.progress(detail="comparing with the view")
        return compare(fold, reader, later_rows(work, generation, until))
    finally:
        fold.close()


def fold_log(
    work: Work,
    generation: int,
    fold: Fold,
    first: Mapping[TopicPartition, int],
    until: Mapping[TopicPartition, int],
) -> None:
    """Fold what this generation's config makes of the log between two sets of offsets."""
    total = sum(max(0, end - first.get(tp, 0)) for tp, end in until.items())
    done = 0
    with work.pipeline(generation).expectation() as expect:
        for messages in read_between(work.log, first, until, work.check):
            fold.add(expect(messages))
            done += len(messages)
            work.progress(min(done, total), total, detail="folding the log")


def later_rows(work: Work, generation: int, since: Mapping[TopicPartition, int]) -> Touched:
    """The rows that the log touches after `since`.

    Compaction may meanwhile have taken the record that made such a row, so the fold cannot say what it should be.
    """

    def touched() -> set[tuple[str, bytes]]:
        rows: set[tuple[str, bytes]] = set()
        with work.pipeline(generation).expectation() as expect:
            for messages in read_between(work.log, since, ends(work, generation), work.check):
                rows.update((part, key) for part, key, _, _ in expect(messages))
        return rows

    return touched
