"""A listing of everything, page by page. A page is left behind once its objects are done; then old ones among them need
no position of their own any more."""

from __future__ import annotations

from dataclasses import replace

from headwater.worker.api import Partition, Position

from .known import Known
from .listing import Bucket, Page
from .position import Found

Positions = list[tuple[Partition, Position | None]]

CLOCK_MS = 2_000
"""S3 tells times in whole seconds: what appears in this very second may have the time of what was there already."""
STORED_AFTER = 20
"""Pages after which the mark is stored although no position is forgotten."""


class Sweep:
    """`remember_ms`: objects that are younger keep their positions, since some that are as old may yet appear."""

    def __init__(self, bucket: Bucket, prefix: str, known: Known, remember_ms: int) -> None:
        self._bucket, self._prefix, self._known, self._remember_ms = bucket, prefix, known, remember_ms
        self._after = ""
        self._page: Page | None = None
        self._unseen = known.done_keys(prefix)
        self._old_ms = 0
        self._unstored = 0
        self.ended = False

    @property
    def waits(self) -> bool:
        """For the objects of its page to be done."""
        return self._page is not None

    @property
    def clock_ms(self) -> int:
        return self._page.at_ms if self._page is not None else 0

    def next_page(self) -> list[Found]:
        """Of all tasks' objects. Raises `Retriable`, `Fatal`."""
        page = self._page = self._bucket.page(self._prefix, self._after)
        if not self._after:
            begun = self._known.mark.sweep_ms  # of a sweep that was not ended
            self._old_ms = begun or max(self._known.mark.before_ms, page.at_ms - max(self._remember_ms, CLOCK_MS))
        if page.objects:
            self._after = page.objects[-1].key
        for found in page.objects:
            self._unseen.discard(found.key)
        return page.objects

    def leave(self) -> Positions:
        """All of the page's objects are done. What is to be stored: the mark and positions to forget; may be empty."""
        page, self._page = self._page, None
        assert page is not None
        known, positions = self._known, []
        for found in page.objects:
            position = known.of(found.key)
            if position is not None and position.done and found.modified_ms <= self._old_ms:
                positions.append(position.partition)
                known.forget(found.key)
        self._unstored += 1
        if page.last:
            self.ended = True
            for key in self._unseen:
                position = known.of(key)
                if position is not None and position.done:  # deleted from the bucket
                    positions.append(position.partition)
                    known.forget(key)
            known.mark = replace(known.mark, before_ms=self._old_ms, after="", sweep_ms=0)
        elif self._after > known.mark.after:
            known.mark = replace(known.mark, after=self._after, sweep_ms=self._old_ms)
        if not (positions or page.last or self._unstored >= STORED_AFTER):
            return []
        self._unstored = 0
        return [(known.mark.partition, known.mark.stored()), *((partition, None) for partition in positions)]
