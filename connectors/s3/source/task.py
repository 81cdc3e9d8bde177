"""One task: looks for objects, reads what is new in its share of them, row by row."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence

from headwater.connectors.object_store import ObjectChanged, make_client, make_queue_client
from headwater.worker.api import (
    Batch,
    Fatal,
    Partition,
    Position,
    Progress,
    Record,
    Retriable,
    Source,
    TaskContext,
    TopicSettings,
)

from .events import Events
from .finding import Finding, Listed, Viewed
from .known import Known, Wanted
from .listing import Bucket
from .opening import Opening
from .options import FAIL, IGNORE, VIEW, mode, place
from .position import Found, ObjectPosition, Share
from .reading import Reading

log = logging.getLogger(__name__)

OBJECTS_AT_ONCE = 200
PROGRESS_EVERY_S = 2.0
_KEPT = TopicSettings(config={"cleanup.policy": "delete", "retention.ms": "-1"})


class S3Source(Source):
    def open(self, context: TaskContext, positions: Sequence[tuple[Partition, Position]]) -> None:
        values = context.values
        self._context = context
        self._reading: Reading | None = None
        self._queue: deque[Found] = deque()
        name, prefix = place(values)
        client = make_client(values)
        self._bucket = Bucket(client, name)
        self._opening = Opening(values, self._bucket, self._report)
        share = Share(int(context.task_config.get("task.index", 0)), int(context.task_config.get("task.count", 1)))
        self._known = Known(name, prefix, share)
        try:
            self._known.load(positions)
        except ValueError as error:
            raise Fatal(
                f"a stored position cannot be read: {error}. Store a right one with `headwater offsets`"
            ) from error
        self._own_times = mode(values) == VIEW or bool(values["timestamp.field"])
        self._on_change: str = values["on.change"]
        url: str = values["sqs.url"]
        self._events = Events(make_queue_client(values, url), url, name) if url else None
        read = [
            partition["key"] for partition, _ in positions if partition.get("bucket") == name and "key" in partition
        ]
        self._finding: Finding = (
            Viewed(self._bucket, prefix, self._known, values, self._opening, read)
            if mode(values) == VIEW
            else Listed(self._bucket, prefix, self._known, values, self._events)
        )
        self._told: set[tuple[str, str]] = set()
        self._unstored: set[str] = set()
        """Keys that are done, and the log has not said so yet."""
        self._caught_up = False
        self._objects_read = 0
        self._objects_told = -1
        self._progress_at = 0.0

    def read(self, timeout_s: float) -> Batch | None:
        batch = self._next_batch()
        if batch is not None or self._reading is not None or self._queue:
            return batch
        if self._finding.leaves:
            stored = self._finding.leave()
            if stored:
                return Batch([], stored)
        found = self._finding.look(timeout_s if self._caught_up else 0.0)
        if found is not None:
            self._take(found)
            return None
        if not self._caught_up or self._objects_told != self._objects_read:
            self._tell(None if self._caught_up else True)
            self._caught_up, self._objects_told = True, self._objects_read
        self._context.stopping.wait(max(0.0, min(timeout_s, self._finding.pause_s)))
        return None

    def topic(self, name: str) -> TopicSettings:
        """Retention goes by the records' times: where they are of old, it would delete what has just been read."""
        return _KEPT if self._own_times else TopicSettings()

    def _take(self, found: Sequence[Found]) -> None:
        for each in found:
            if not self._known.share.has(each.key) or self._opening.topic_of(each.key) is None:
                self._is_done(each.key)
            elif self._known.wanted(each) is Wanted.DONE:
                if each.key not in self._unstored:
                    self._is_done(each.key)
            else:
                self._queue.append(each)

    def _is_done(self, key: str) -> None:
        if self._events is not None:
            self._events.done(key)

    def _next_batch(self) -> Batch | None:
        for _ in range(OBJECTS_AT_ONCE):
            if self._reading is None:
                if not self._queue:
                    return None
                self._reading = self._begin(self._queue.popleft())
                continue
            try:
                batch = self._reading.batch()
            except ObjectChanged:
                self._went_away()
                continue
            self._known.read(self._reading.position)
            if self._reading.ended:
                self._objects_read += 1
                self._unstored.add(self._reading.position.key)
                self._close_reading()
                if time.monotonic() - self._progress_at >= PROGRESS_EVERY_S:
                    self._tell(None)
            return batch
        return None

    def _begin(self, found: Found) -> Reading | None:
        """None: there is nothing to read in it (any more)."""
        wanted = self._known.wanted(found)
        if wanted is Wanted.DONE:
            return None
        position = self._known.of(found.key)
        if wanted is Wanted.CHANGED:
            assert position is not None
            if not self._reads_changed(found, position):
                return None
            position = None
        if position is None:
            position = ObjectPosition(self._known.mark.bucket, found.key, found.etag, found.modified_ms)
        try:
            return self._opening.reading(found, position)
        except ObjectChanged:
            self._look_again(found.key)
            return None

    def _reads_changed(self, found: Found, position: ObjectPosition) -> bool:
        """Raises `Fatal`."""
        url = f"s3://{self._known.mark.bucket}/{found.key}"
        what = f"{url} was replaced after " + (
            "all of it" if position.done else f"{position.place.line or position.place.row} rows of it"
        )
        if self._on_change == FAIL:
            raise Fatal(
                f"{what} had been read, and on.change is fail. Nothing is lost. To read the new one from its "
                "beginning, set on.change: read, or reset its offset"
            )
        if (found.key, found.etag) not in self._told:
            if len(self._told) < 10_000:
                self._told.add((found.key, found.etag))
            then = "is left, as on.change says" if self._on_change == IGNORE else "is read from its beginning"
            log.warning("%s had been read: the new one %s", what, then)
        if self._on_change == IGNORE:
            self._is_done(found.key)
            return False
        return True

    def _went_away(self) -> None:
        assert self._reading is not None
        log.warning("%s was replaced or deleted while it was read, after %d rows", self._reading.content.url,
                    self._reading.position.place.line)  # fmt: skip
        key = self._reading.position.key
        self._close_reading()
        self._look_again(key)

    def _look_again(self, key: str) -> None:
        """At an object that is not what it was when it was found."""
        found = self._bucket.head(key)
        if found is None:
            self._is_done(key)
        else:
            self._take([found])

    def ack(self, positions: Sequence[tuple[Partition, Position | None]]) -> None:
        for partition, position in positions:
            key = partition.get("key")
            if key is not None and position is not None and position.get("done"):
                self._unstored.discard(key)
                self._is_done(key)
        if self._events is not None:
            try:
                self._events.delete_finished()
            except Retriable as error:
                log.warning("%s", error)  # told of again, these objects are found to be done

    def _report(self, record: Record, error: Exception) -> None:
        if self._context.report_bad_record is None:
            raise error
        self._context.report_bad_record(record, error)

    def _tell(self, caught_up: bool | None) -> None:
        self._progress_at = time.monotonic()
        left = len(self._queue)
        progress = Progress("reading", self._objects_read, self._objects_read + left, "objects", lag={"objects": left},
                            caught_up=caught_up)  # fmt: skip
        self._context.report_progress(progress)

    def _close_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()

    def close(self) -> None:
        if hasattr(self, "_reading"):
            self._close_reading()
        if hasattr(self, "_bucket"):
            self._bucket.client.close()
        events: Events | None = getattr(self, "_events", None)
        if events is not None:
            events.close()
