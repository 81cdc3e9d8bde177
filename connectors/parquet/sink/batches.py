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
    left = list(rows)
    while True:
        try:
            return layout.batch([row.values for row in left], [row.record for row in left]), left
        except BadRow as error:
            report(left.pop(error.index).record, error)
