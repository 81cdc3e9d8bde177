"""Rows of one shape as one record batch, without those that their columns cannot hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from headwater.worker.api import Record

from ..columns import BadRow, Layout
from .rows import Row

Report = Callable[[Record, Exception], None]


def make_batch(layout: Layout, rows: Sequence[Row], report: Report) -> tuple[pa.RecordBatch, list[Row]]:
    """The batch and the rows that are in it. `report` gets what does not fit, and may raise."""
    try:
        return layout.batch([row.values for row in rows], [row.record for row in rows]), list(rows)
    except BadRow as error:
        if len(rows) == 1:
            report(rows[0].record, error)
            return layout.batch([], []), []
    middle = len(rows) // 2  # so that many bad rows among many cost no square
    first, kept = make_batch(layout, rows[:middle], report)
    second, others = make_batch(layout, rows[middle:], report)
    return pa.concat_batches([first, second]), [*kept, *others]
