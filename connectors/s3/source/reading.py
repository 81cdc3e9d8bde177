"""One object's rows as batches of records, from its position on."""

from __future__ import annotations

from collections.abc import Callable

from headwater.connectors.formats import BadRow, Format, RowBatches, Unreadable, bad_record
from headwater.worker.api import Batch, Record

from .content import ObjectContent
from .position import ObjectPosition
from .row_records import RecordMaker

Report = Callable[[Record, Exception], None]
"""Takes a bad row; returns where that one is to be skipped."""


class Reading:
    """Batches of one object until its end. Raises `ObjectChanged` where another one has its key meanwhile."""

    def __init__(
        self, content: ObjectContent, position: ObjectPosition, format: Format, maker: RecordMaker, most_rows: int,
        report: Report, topic: str,
    ) -> None:  # fmt: skip
        """`topic`: for what is said of bad rows."""
        self.content = content
        self.position = position
        self._topic, self._report_bad = topic, report
        rows = format.rows(content, position.place)
        self._rows = RowBatches(rows, position.place, maker.record, self._report, most_rows)

    @property
    def ended(self) -> bool:
        return self._rows.ended

    def batch(self) -> Batch:
        """The next rows; without records where only the position moves on. Raises what `report` raises."""
        records = self._rows.next()
        self.position = self.position.moved_to(self._rows.place, done=self.ended)
        moment = self.content.found.modified_ms if records else None
        return Batch(records, [(self.position.partition, self.position.stored())], committed_ms=moment)

    def _report(self, bad: BadRow | Unreadable, line: int) -> None:
        self._report_bad(*bad_record(self._topic, self.content.url, line, bad))

    def close(self) -> None:
        self._rows.close()
