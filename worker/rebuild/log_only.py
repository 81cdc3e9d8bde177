"""Parts of a view that hold a row for each record rather than for each key: no state of the source equals them."""

from __future__ import annotations

from dataclasses import replace

from .samples import newest_samples
from .work import Work


def parts_of_records(work: Work, generation: int) -> set[str]:
    """Parts whose rows are named by where a record lies on the log: the same record elsewhere would be another row."""
    pipeline = work.pipeline(generation)
    found: set[str] = set()
    for sample in newest_samples(work.log, pipeline).values():
        message = sample.message
        with pipeline.expectation() as expect:
            here = {(row.part, row.key) for row in expect([message])}
            elsewhere = {(row.part, row.key) for row in expect([replace(message, offset=message.offset + 1)])}
        found |= {part for part, _ in here ^ elsewhere}
    return found
