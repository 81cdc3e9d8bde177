"""Dead letters that a sink's task puts through its pipe once more, between the batches that it reads.

The task that has a partition deals with that partition's letters itself: nothing else writes to its rows, and what it
has read so far is all that a letter may be older than. See docs/decisions/0022-dead-letters.md.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from headwater.worker.api import DataError, Fenced, Retriable, Sink, TopicPartition, again
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Log, Message

from .dead_letters import DeadLetters
from .errors import Interrupted, Where, text_of
from .letter import Letter, Place
from .letter_queue import letters
from .newest_of_keys import NewestOfKeys
from .replay_records import Done, Request, done_key, dones, dump_done, request_of
from .task_spec import TaskSpec

__all__ = ["Replay"]

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
LOOK_S = 0.1
"""How long the live stream waits for one look; the next one goes on where it ended."""
SLICE_S = 0.25
STEP_LETTERS = 500
STEP_BYTES = 4 * 1024 * 1024

Offsets = Mapping[TopicPartition, int]
Write = Callable[[Sequence[Message], Offsets, Offsets], None]
"""Through the pipe into the sink, durable when it returns: messages, and `first` and `next` as of a `SinkBatch`."""

_Fate = str | DataError | None
"""One of COUNTS, or why a letter stays in the queue; None: a later one of the same place stands for it."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A letter of the queue that this task has to deal with; its value is read again when its turn comes. `stands`:
    no later letter of the same place takes its place."""

    at: tuple[int, int]
    place: Place
    key: bytes | None
    stands: bool = True

    @property
    def partition(self) -> TopicPartition:
        return TopicPartition(self.place.topic, self.place.partition)


class _Work:
    """One request, as far as this task's partitions go. `entries` are in the order of the queue."""

    def __init__(self, request: Request, entries: list[_Entry], done: dict[TopicPartition, Done]) -> None:
        self.request = request
        self.entries = entries
        self.done = done
        self.newest: NewestOfKeys | None = None

    def close(self) -> None:
        if self.newest is not None:
            self.newest.close()


class Replay:
    """Belongs to the thread of one sink task. `opened` is called with each new sink, `step` between two batches."""

    def __init__(
        self,
        the_log: Log,
        spec: TaskSpec,
        dead: DeadLetters,
        write: Write,
        redact: Callable[[str], str],
        alive: Callable[[], None],
        reveals: bool = False,
    ) -> None:
        """`alive` is called while a long queue is read; raises `Interrupted` where the task has to stop. `reveals`: a
        transform does, so what errors say stays off the log."""
        self._log = the_log
        self._reveals = reveals
        self._alive = alive
        self._redact = redact
        self._spec = spec
        self._dead = dead
        self._write = write
        self._stored = CompactedDict(the_log, spec.internal.views)
        self._looked_at = float("-inf")
        self._settled: tuple[str, frozenset[TopicPartition]] | None = None
        self._work: _Work | None = None
        self._sink: Sink | None = None
        self._given: dict[TopicPartition, int | None] = {}

    def opened(self, sink: Sink) -> None:
        self.forget()
        self._sink = sink

    def forget(self) -> list[TopicPartition]:
        """Partitions change hands, or the sink is gone: begin anew. Returns what the sink was given for replays."""
        self._settled = None
        if self._work is not None:
            self._work.close()
            self._work = None
        given, self._given = list(self._given), {}
        return given

    def step(self, reached: Offsets, topic_ids: Mapping[TopicPartition, str]) -> bool:
        """Do a bounded piece of what is asked for; whether there is more. `reached`: next offset of each of our
        partitions: all before it was given to the sink. Raises what the sink raises."""
        if self._work is None:
            self._work = self._begin(reached)
        work = self._work
        if work is None:
            return False
        if not work.entries:
            self._end(work, reached)
            return False
        assert self._sink is not None
        if work.newest is None:
            told = self._sink.rows_by_log_key and not self._sink.every_record
            asked = work.entries if told else ()
            work.newest = NewestOfKeys(self._log, [(e.place, e.key) for e in asked if e.stands and e.key is not None])
        if work.newest.read(reached, SLICE_S):
            self._next_letters(work, work.newest, reached, topic_ids)
        return True

    def _end(self, work: _Work, reached: Offsets) -> None:
        """Also for partitions without letters: whoever takes them over need not read the queue for this request."""
        until = work.request.until
        behind = {tp: d for tp, d in work.done.items() if any(d.next.get(n, 0) < at for n, at in until.items())}
        for tp, done in behind.items():
            ahead = {number: max(at, done.next.get(number, 0)) for number, at in until.items()}
            behind[tp] = replace(done, next={**done.next, **ahead}, request=work.request.id, error="")
        self._tell(work, behind)
        self._settled = work.request.id, frozenset(reached)
        work.close()
        self._work = None

    def close(self) -> None:
        self.forget()
        self._stored.close()

    def _begin(self, reached: Offsets) -> _Work | None:
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return None
        self._looked_at = now
        try:
            self._stored.refresh(LOOK_S)
        except Retriable as error:  # a part of it may be the request without what this task has done for it
            log.debug("no look for replays of dead letters now: %s", error)
            return None
        request = request_of(self._stored, self._spec.connector)
        if request is None or self._settled == (request.id, frozenset(reached)):
            return None
        info = self._log.topics([request.queue]).get(request.queue)
        if info is None or info.topic_id != request.topic_id:  # the queue that was meant is gone
            self._settled = request.id, frozenset(reached)
            return None
        stored = dones(self._stored, self._spec.connector)
        done: dict[TopicPartition, Done] = {}
        for tp in reached:
            known = stored.get((self._spec.generation, *tp), Done())
            if known.topic_id != request.topic_id:
                known = Done(request.topic_id, counts=known.counts)
            if known.request != request.id or not known.error:
                done[tp] = known
        if all(d.next.get(n, 0) >= at for d in done.values() for n, at in request.until.items()):
            self._settled = request.id, frozenset(reached)
            return None
        entries = self._entries(request, done)
        for number, tp in sorted({(entry.at[0], entry.partition) for entry in entries}):
            done[tp] = self._as_the_view_says(number, tp, done[tp], request)
        left = [e for e in entries if e.at[1] >= done[e.partition].next.get(e.at[0], 0)]
        if left:
            log.info("putting %d dead letters of %s through the pipe once more", len(left), request.queue)
        return _Work(request, left, done)

    def _entries(self, request: Request, done: Mapping[TopicPartition, Done]) -> list[_Entry]:
        """The letters of our partitions. The task, or one before it, may have written one twice when it was killed."""
        numbers = list(request.until)
        ends = self._log.end_offsets([TopicPartition(request.queue, number) for number in numbers])
        start = {number: min(d.next.get(number, 0) for d in done.values()) for number in numbers}
        newest: dict[Place, tuple[int, int]] = {}
        found: list[_Entry] = []
        until = {tp.partition: end for tp, end in ends.items()}
        for letter in letters(self._log, request.queue, start, until, self._alive):
            if not self._is_ours(letter) or letter.place is None:
                continue
            entry = _Entry(letter.at, letter.place, letter.record.key)
            if entry.partition in done:
                newest[letter.place] = letter.at
                if letter.at[1] < request.until[letter.at[0]]:
                    found.append(entry)
        marked = [replace(entry, stands=newest[entry.place] == entry.at) for entry in found]
        return sorted(marked, key=lambda entry: entry.at)

    def _is_ours(self, letter: Letter) -> bool:
        return letter.connector == self._spec.connector and letter.generation == self._spec.generation

    def _as_the_view_says(self, number: int, tp: TopicPartition, done: Done, request: Request) -> Done:
        """A view that holds offsets tells how far it is: the record on the log may be one step behind."""
        assert self._sink is not None
        stands_for = again(request.topic_id, number, tp)
        if stands_for not in self._given:
            self._given.update(self._sink.assign({stands_for: request.topic_id}))
        held, pending = self._given[stands_for], done.pending
        if held is None or held == done.next.get(number, 0):
            return replace(done, pending=None)
        if pending is not None and held == pending.next.get(number):
            return replace(pending, pending=None)
        return replace(done, next={**done.next, number: held}, pending=None)

    def _next_letters(
        self, work: _Work, newest: NewestOfKeys, reached: Offsets, topic_ids: Mapping[TopicPartition, str]
    ) -> None:
        """Deal with the next letters of one partition of the queue."""
        number = work.entries[0].at[0]
        turn = {e.at[1]: e for e in work.entries[:STEP_LETTERS] if e.at[0] == number}
        end = max(turn) + 1
        size = 0
        found: list[tuple[Letter, _Fate]] = []
        for letter in letters(self._log, work.request.queue, {number: min(turn)}, {number: end}, self._alive):
            entry = turn.get(letter.at[1])
            if entry is None:
                continue
            if size > STEP_BYTES:
                end = letter.at[1]
                break
            size += len(letter.record.key or b"") + len(letter.record.value or b"")
            found.append((letter, self._fate(letter, entry, newest, reached, topic_ids)))
        left = [e for e in work.entries if e.at[0] != number or e.at[1] >= end]
        self._apply(work, number, end, found, reached)
        work.entries = left

    def _fate(
        self,
        letter: Letter,
        entry: _Entry,
        newest: NewestOfKeys,
        reached: Offsets,
        topic_ids: Mapping[TopicPartition, str],
    ) -> _Fate:
        assert self._sink is not None
        if not entry.stands:
            return None
        place, key = entry.place, entry.key
        if letter.topic_id and letter.topic_id != topic_ids.get(entry.partition, letter.topic_id):
            return DataError(f"the topic {place.topic} was deleted and made again since {place} failed")
        if place.offset >= reached[entry.partition]:
            return "later"
        if self._sink.every_record:
            return "replayed"
        if not self._sink.rows_by_log_key:
            return DataError(
                "the view's rows are not named by the keys on the log: whether a newer record of the same row is in "
                f"the view cannot be told, so {place} is not written over it. Let the view keep versions, where the "
                "records have them (version.column), or rebuild it"
            )
        if key is None:
            return "replayed"
        if newest.unknown(place, key):
            return DataError(
                f"{place} is no longer on the log, which deletes old records: whether a newer one of its key was "
                "written since, and is in the view, cannot be told"
            )
        deletes = letter.record.value is None
        return "superseded" if newest.superseded(place, key, deletes) else "replayed"

    def _apply(self, work: _Work, number: int, end: int, found: list[tuple[Letter, _Fate]], reached: Offsets) -> None:
        """Into the view, in one go with how far the queue is dealt with. Their own partitions do not move, but have to
        be ours still: who takes them over may be at work on newer records before it looks at letters."""
        request, dead = work.request, self._dead
        ours = {_partition(letter) for letter, _ in found}
        first = {again(request.topic_id, number, tp): work.done[tp].next.get(number, 0) for tp in ours}
        live = {tp: reached[tp] for tp in ours}
        dead.attempts = {letter.place: letter.attempt for letter, _ in found if letter.place}
        dead.added = set()
        try:
            for letter, fate in found:
                if isinstance(fate, DataError):
                    dead.add(letter.record, Where("REPLAY", f"{__name__}.Replay", str(letter.place)), fate)
            moved = _moved(work.done, request, number, end, found, dead.added)
            self._tell(work, {tp: replace(work.done[tp], pending=moved[tp]) for tp in ours})
            through = [letter.record for letter, fate in found if fate == "replayed"]
            self._write(through, {**first, **live}, {**dict.fromkeys(first, end), **live})
            moved = _moved(work.done, request, number, end, found, dead.added)
        except (Retriable, Fenced, Interrupted):
            raise
        except Exception as error:
            self._give_up(work, error)
            raise
        finally:
            dead.attempts, dead.added = {}, None
        self._tell(work, moved)
        self._given.update(dict.fromkeys(first, end))

    def _give_up(self, work: _Work, error: Exception) -> None:
        """What the letters lead to would end this task again and again, and hold up what it reads."""
        text = f"{type(error).__name__}: {text_of(error)}"
        log.error("the replay of dead letters is given up, they stay in %s: %s", work.request.queue, text)
        said = self._redact(text)
        if self._reveals:
            said = f"{type(error).__name__}; the worker's log says more, which may quote what the connector decrypts"
        self._tell(work, {tp: replace(done, request=work.request.id, error=said) for tp, done in work.done.items()})

    def _tell(self, work: _Work, done: Mapping[TopicPartition, Done]) -> None:
        for tp, one in done.items():
            self._stored.put(done_key(self._spec.connector, self._spec.generation, *tp), dump_done(one))
            work.done[tp] = one


def _partition(letter: Letter) -> TopicPartition:
    return TopicPartition(letter.record.topic, letter.record.partition or 0)


def _moved(
    done: Mapping[TopicPartition, Done],
    request: Request,
    number: int,
    end: int,
    found: Collection[tuple[Letter, _Fate]],
    failed: Collection[Place],
) -> dict[TopicPartition, Done]:
    """How far each partition is once these letters are dealt with. `failed`: what lies in the queue anew."""
    counted: dict[TopicPartition, Counter[str]] = {}
    for letter, fate in found:
        counts = counted.setdefault(_partition(letter), Counter())
        if fate is not None:
            counts["failed" if letter.place in failed else str(fate)] += 1
    return {
        tp: replace(
            done[tp],
            next={**done[tp].next, number: end},
            counts=dict(Counter(done[tp].counts) + counts),
            request=request.id,
            error="",
            pending=None,
        )
        for tp, counts in counted.items()
    }
