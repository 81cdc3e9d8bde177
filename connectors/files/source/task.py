"""One task: looks for files, reads what is new in its share of them, and puts files away once the log has them."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from headwater.connectors.formats import lacking, make_format, missing
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
)

from .finishing import KEEP, Finisher
from .known import Known, Share
from .listing import Found, Patterns, Round, by_age
from .open_file import OpenFile
from .position import FilePosition
from .reading import Reading, Shape, quiet

log = logging.getLogger(__name__)

LISTED_AT_ONCE = 1_000
"""Entries of folders that one `read` looks at: a round over a large folder takes several, and none takes long."""
FILES_AT_ONCE = 200
PROGRESS_EVERY_S = 2.0


class FileSource(Source):
    def open(self, context: TaskContext, positions: Sequence[tuple[Partition, Position]]) -> None:
        values = context.values
        if what := lacking(values):
            raise Fatal(f"format {values['format']} {what}")
        self._context = context
        self._patterns = Patterns(values["path"], values["exclude"])
        self._poll_s = values["poll.interval.ms"] / 1000
        self._complete_after_ms: int = values["complete.after.ms"]
        self._codec: str = values["compression"]
        self._format = make_format(values)
        self._shape = Shape(values["topic"], values["key.fields"], values["headers.enabled"], values["batch.size"],
                            self._report)  # fmt: skip
        self._finisher = Finisher(values["on.done"], values["move.to"], self._patterns.roots)
        share = Share(int(context.task_config.get("task.index", 0)), int(context.task_config.get("task.count", 1)))
        self._known = Known(share, self._complete_after_ms)
        try:
            self._known.load(positions)
        except ValueError as error:
            raise Fatal(
                f"a stored position cannot be read: {error}. Store a right one with `headwater offsets`"
            ) from error
        self._queue: deque[Found] = deque()
        self._reading: Reading | None = None
        self._round: Round | None = None
        self._next_round = 0.0
        self._rounds = 0
        self._listed: set[int] = set()
        self._listed_twice = False
        self._to_finish = deque(() if values["on.done"] == KEEP else self._known.done())
        self._finished: list[FilePosition] = []
        self._told: set[tuple[str, str]] = set()
        self._linked: dict[int, list[str]] = {}
        self._caught_up = False
        self._files_read = 0
        self._files_told = 0
        self._progress_at = 0.0

    def read(self, timeout_s: float) -> Batch | None:
        self._finish_some()
        if self._finished:
            return self._forget()
        batch = self._next_batch()
        if batch is not None or self._queue:
            return batch
        if self._look():
            return None
        if not self._caught_up or self._files_told != self._files_read:
            self._context.report_progress(self._progress(caught_up=None if self._caught_up else True))
            self._caught_up, self._files_told = True, self._files_read
        self._context.stopping.wait(max(0.0, min(timeout_s, self._next_round - time.monotonic())))
        return None

    def _next_batch(self) -> Batch | None:
        for _ in range(FILES_AT_ONCE):
            if self._reading is None:
                if not self._queue:
                    return None
                self._reading = self._begin(self._queue.popleft())
                continue
            batch = self._reading.batch()
            self._known.read(self._reading.position)
            if self._reading.ended:
                self._files_read += 1
                self._reading.close()
                self._reading = None
                self._tell()
            if batch is not None:
                return batch
        return None

    def _begin(self, found: Found) -> Reading | None:
        """None: it has another name by now, or is gone, or not complete; the next round sees what became of it."""
        try:
            file = OpenFile(found.path, self._codec, quiet(found.mtime_ns, self._complete_after_ms))
        except FileNotFoundError:
            self._list_again()
            return None
        except OSError as error:
            raise Retriable(
                f"{found.path} cannot be opened: {error}. Does Headwater's user have the right to?"
            ) from error
        if file.inode != found.inode:
            file.close()
            self._list_again()
            return None
        if self._format.whole and not file.complete:
            file.close()
            return None
        if what := missing(file.codec):
            file.close()
            raise Fatal(f"{found.path} is compressed with {file.codec}, which {what}")
        # Written to since it was listed: not complete after all.
        file.complete = file.complete and (file.size, file.mtime_ns) == (found.size, found.mtime_ns)
        return Reading(file, self._position_in(file), self._format, self._shape)

    def _list_again(self) -> None:
        """Files have other names than a moment ago: the order of what is queued may be wrong."""
        self._queue.clear()
        self._next_round = 0.0

    def _position_in(self, file: OpenFile) -> FilePosition:
        known = self._known.of(file.inode)
        if known is None:
            return FilePosition(file.path, file.inode)
        changed = self._format.whole and known.size >= 0 and (file.size, file.mtime_ns) != (known.size, known.mtime_ns)
        if not changed and known.of_file(file.descriptor):
            return replace(known, path=file.path)
        if known.path == file.path:
            log.warning(
                "%s was cut off or written anew (copytruncate?) after line %d, byte %d had been read: it is read from "
                "its beginning. What was written to it shortly before, Headwater has not seen",
                file.path, known.place.line, known.place.byte,
            )  # fmt: skip
        else:
            log.info("inode %d, which was %s, is another file now, %s: it is new", file.inode, known.path, file.path)
        return FilePosition(file.path, file.inode)

    def _look(self) -> bool:
        """One step of a round of listing. False: none is due."""
        if self._round is None:
            if time.monotonic() < self._next_round:
                return False
            self._round = Round(self._patterns)
        if self._round.step(LISTED_AT_ONCE):
            done, self._round = self._round, None
            self._next_round = time.monotonic() + self._poll_s
            self._rounds += 1
            self._take(done)
        return True

    def _take(self, done: Round) -> None:
        if len(done.devices) > 1:
            raise Fatal(
                "the files of `path` lie on several file systems, in which different files may have one inode number. "
                "Make a connector for each"
            )
        self._linked = done.linked
        for first, *others in done.linked.values():
            for pair in [(first, other) for other in others]:
                if pair not in self._told and len(self._told) < 1000:
                    self._told.add(pair)
                    log.warning("%s and %s are one file: it is read once", *pair)
        missing, self._listed = self._listed - done.found.keys(), self._known.own(done.found)
        if missing and not self._listed_twice:
            # Deleted, or renamed behind the listing's back: what is new should not be read before its rest.
            self._listed_twice, self._next_round = True, 0.0
            return
        self._listed_twice = False
        self._queue.extend(by_age(self._known.to_read(done.found)))
        self._finished += self._known.gone(done.found, self._finisher.action != KEEP)

    def _finish_some(self) -> None:
        if not self._rounds:
            return  # a file's other names are not known yet
        for _ in range(FILES_AT_ONCE):
            if not self._to_finish:
                return
            position = self._to_finish.popleft()
            others = self._linked.get(position.inode, ())
            if self._known.of(position.inode) == position and self._finisher.finish(position, others):
                self._finished.append(position)

    def _forget(self) -> Batch:
        """Their positions go, but for a number that another file has got meanwhile."""
        finished, self._finished = self._finished, []
        gone = [position for position in finished if self._known.of(position.inode) == position]
        for position in gone:
            self._known.forget(position.inode)
            self._listed.discard(position.inode)
            if self._round is not None:
                self._round.found.pop(position.inode, None)
        return Batch([], [(position.partition, None) for position in gone])

    def ack(self, positions: Sequence[tuple[Partition, Position | None]]) -> None:
        if self._finisher.action == KEEP:
            return
        for partition, position in positions:
            if position is not None and position.get("done"):
                known = self._known.of(partition["inode"])
                if known is not None and known.stored() == position:
                    self._to_finish.append(known)

    def _report(self, record: Record, error: Exception) -> None:
        if self._context.report_bad_record is None:
            raise error
        self._context.report_bad_record(record, error)

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._progress_at >= PROGRESS_EVERY_S:
            self._progress_at = now
            self._context.report_progress(self._progress(None))

    def _progress(self, caught_up: bool | None) -> Progress:
        left = len(self._queue)
        return Progress("reading", self._files_read, self._files_read + left, "files", lag={"files": left},
                        caught_up=caught_up)  # fmt: skip

    def close(self) -> None:
        reading, self._reading = getattr(self, "_reading", None), None
        if reading is not None:
            reading.close()
        self._round = None
