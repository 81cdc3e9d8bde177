"""Dead letters of a source that its task puts through its pipe once more, between the batches that it reads.

Nothing else of the task is on its way when letters are looked up and handed over, so nothing overtakes them. They go
to the log in one transaction with how far the queue is dealt with. See docs/decisions/0022-dead-letters.md.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

from headwater.worker.api import DataError, Fenced, Retriable, shortened
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Log, Message

from .errors import Interrupted, Where, text_of
from .letter import Letter
from .letter_queue import letters
from .newest_versions import NewestVersions, version_of
from .pipe import SourcePipe
from .record_json import load_record
from .replay_records import Done, Request, done_key, dones, dump_done, request_of
from .source_letters import SourceLetters, first_ms
from .task_spec import TaskSpec

__all__ = ["SourceReplay"]

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
SLICE_S = 0.25
LAST_S = 5.0
WHOLE_S = 0.1
STEP_LETTERS = 1_000
STEP_BYTES = 16 * 1024 * 1024
ERROR_SHOWN = 2_000

Hand = Callable[[list[Message], list[Message]], None]
"""Messages, and what tells how far the queue is dealt with, to the log in one transaction."""


_Dones = Mapping[tuple[int, str, int], Done]


class _Step:
    """Some letters that failed in one task, from one partition of the queue, and what became of each in the pipe."""

    def __init__(
        self, request: Request, place: tuple[int, int], end: int, made: list[tuple[Letter, list[Message]]]
    ) -> None:
        self.request = request
        self.place = place
        self.end = end
        self.made = made


class _Some:
    """Letters of one task that failed, as many as a step takes. `end`: offset of the first that is too many."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.end: int | None = None
        self._bytes = 0

    def add(self, letter: Letter) -> bool:
        if len(self.letters) >= STEP_LETTERS or self._bytes >= STEP_BYTES:
            self.end = letter.at[1]
            return False
        self.letters.append(letter)
        self._bytes += len(letter.record.key or b"") + len(letter.record.value or b"")
        return True


def _of_request(request: Request, done: _Dones, task: int, number: int) -> Done:
    """How far one partition of its queue is dealt with, of what failed in `task`."""
    known = done.get((1, str(task), number), Done())
    return known if known.topic_id == request.topic_id else Done(request.topic_id, counts=known.counts)


class _Chosen:
    """What a step has let through so far counts like what is on the log: a letter that failed in a replay lies behind
    letters of later changes."""

    def __init__(self, newest: NewestVersions) -> None:
        self._newest = newest
        self._last: dict[tuple[str, bytes | None], tuple[int | None, int]] = {}

    def fate(self, letter: Letter, message: Message) -> str:
        """As of `NewestVersions`. Of one key's letters the one that was tried more often failed earlier."""
        found = self._newest.fate(message, first_ms(letter))
        before = self._last.get((message.topic, message.key))
        if found != "replayed" or before is None:
            return found
        version, (other, attempt) = version_of(message), before
        if version is not None and other is not None and version != other:
            return "superseded" if version < other else "replayed"
        if letter.attempt <= attempt:
            return "replayed"
        return "another letter of its key was put through with it, and versions do not tell which is newer"

    def add(self, letter: Letter, messages: list[Message]) -> None:
        for message in messages:
            at, version = (message.topic, message.key), version_of(message)
            known = self._last.get(at)
            if known is None or version is None or known[0] is None or version >= known[0]:
                self._last[at] = version, letter.attempt


class SourceReplay:
    """Belongs to the thread of one source task, which deals with what failed in the tasks `n` where n % tasks is its
    own number. `settle` returns once all that was read is durable; False: the task has to end."""

    def __init__(
        self,
        the_log: Log,
        spec: TaskSpec,
        pipe: SourcePipe,
        letters: SourceLetters,
        settle: Callable[[], bool],
        hand: Hand,
        alive: Callable[[], None],
    ) -> None:
        """`alive` is called while a long queue is read; raises `Interrupted` where the task has to stop."""
        self._alive = alive
        self._log = the_log
        self._spec = spec
        self._pipe = pipe
        self._letters = letters
        self._settle = settle
        self._hand = hand
        self._stored = CompactedDict(the_log, spec.internal.views)
        self._look_at = float("-inf")
        self._settled = ""
        self._first: tuple[str, dict[int, int]] = "", {}
        """Of the request, by partition of the queue: before it nothing is left to do."""
        self._step: _Step | None = None
        self._newest: NewestVersions | None = None

    def forget(self) -> None:
        """The source was opened anew: begin anew."""
        self._step = None
        self._settled = ""
        self._letters.tried = {}
        if self._newest is not None:
            self._newest.close()
            self._newest = None

    def step(self) -> bool:
        """Do a bounded piece of what is asked for; whether there is more."""
        if self._step is None:
            self._step = self._begin()
        step = self._step
        if step is None:
            return False
        if self._newest is None:
            self._newest = NewestVersions(self._log, [m for letter, made in step.made for m in self._own(made)])
        if not self._newest.read(SLICE_S):
            return True
        if not self._settle() or not self._newest.read(LAST_S, whole=True):
            return True
        with self._giving_up(step.request):
            self._finish(step, self._newest)
        self._newest.close()
        self._step = self._newest = None
        self._look_at = float("-inf")
        return True

    def close(self) -> None:
        self.forget()
        self._stored.close()

    def _own(self, made: list[Message]) -> list[Message]:
        """What is for topics of the source, and no letter that failed again."""
        return [m for m in made if m.topic != self._letters.topic and m.key is not None]

    def _begin(self) -> _Step | None:
        """The log may be out of reach for a while: what is read meanwhile need not suffer from that."""
        begun = time.monotonic()
        if begun < self._look_at:
            return None
        self._look_at = begun + LOOK_EVERY_S
        try:
            self._stored.refresh(WHOLE_S)  # as a whole: a request lies before how far this task has come with it
            found = self._asked()
        except Retriable as error:
            log.debug("dead letters are looked for later: %s", error)
            now = time.monotonic()
            self._look_at = now + max(LOOK_EVERY_S, 3 * (now - begun))
            return None
        if found is None:
            return None
        request, place, end, chosen = found
        with self._giving_up(request):
            return _Step(request, place, end, [(letter, self._made(letter)) for letter in chosen])

    def _asked(self) -> tuple[Request, tuple[int, int], int, list[Letter]] | None:
        """What is to be done next; that there is nothing is told."""
        request = request_of(self._stored, self._spec.connector)
        if request is None or self._settled == request.id:
            return None
        info = self._log.topics([request.queue]).get(request.queue)
        gone = info is None or info.topic_id != request.topic_id
        done = dones(self._stored, self._spec.connector)
        # Has this task said that it is done with it? The queue need not be read then.
        ended = done.get((1, f"{self._spec.task}/{self._spec.tasks}", 0), Done()).request == request.id
        found = None if gone or ended else self._next_letters(request, done)
        if found is not None:
            return request, *found
        if not gone and not ended:
            self._tell_end(Done(request.topic_id, request.until, request=request.id))
        self._settled = request.id
        return None

    def _tell_end(self, done: Done) -> None:
        key = done_key(self._spec.connector, 1, f"{self._spec.task}/{self._spec.tasks}", 0)
        self._stored.put(key, dump_done(done))

    @contextmanager
    def _giving_up(self, request: Request) -> Iterator[None]:
        """What letters lead to would end this task again and again, before it reads anything."""
        try:
            yield
        except (Retriable, Fenced, Interrupted):
            raise
        except Exception as error:
            text = shortened(self._letters.redact(f"{type(error).__name__}: {text_of(error)}"), ERROR_SHOWN)
            log.error("the replay of dead letters is given up, they stay in %s: %s", request.queue, text)
            with suppress(Retriable):  # the error that ends the task is the other one
                self._tell_end(Done(request.topic_id, error=text, request=request.id))
            raise

    def _next_letters(self, request: Request, done: _Dones) -> tuple[tuple[int, int], int, list[Letter]] | None:
        """Of one task that failed and one partition of the queue: up to which offset, and the letters before it."""
        if self._first[0] != request.id:
            self._first = request.id, {}
        for number, until in sorted(request.until.items()):
            by_task = self._by_task(request, number, until, done)
            for task, some in sorted(by_task.items(), key=lambda item: (item[1].end is None, item[0])):
                return (task, number), until if some.end is None else some.end, some.letters
        return None

    def _by_task(self, request: Request, number: int, until: int, done: _Dones) -> dict[int, _Some]:
        """The first letters of a partition of the queue; read on until there are enough of one task that failed."""
        first = self._first[1]
        by_task: dict[int, _Some] = {}
        for letter in letters(self._log, request.queue, {number: first.get(number, 0)}, {number: until}):
            self._alive()
            ours = letter.connector == self._spec.connector and letter.place is None
            if not ours or letter.task % self._spec.tasks != self._spec.task:
                continue
            if letter.at[1] < _of_request(request, done, letter.task, number).next.get(number, 0):
                continue
            if not by_task:
                first[number] = letter.at[1]
            if not by_task.setdefault(letter.task, _Some()).add(letter):
                return by_task
        if not by_task:
            first[number] = until
        return by_task

    def _made(self, letter: Letter) -> list[Message]:
        """What the pipe makes of it now; a letter where it cannot be handled. Raises `Fatal`, `Interrupted`."""
        record = letter.record
        if letter.kind == "message":
            of = record.partition
            return [Message(record.topic, record.key, record.value, record.headers, record.timestamp_ms, of)]
        if letter.kind != "record" or record.value is None:
            return [self._as_it_was(letter)]
        try:
            restored = load_record(record.value)
        except DataError:
            return [self._as_it_was(letter)]
        self._letters.trying = letter
        try:
            return self._pipe.process([restored])
        finally:
            self._letters.trying = None

    def _as_it_was(self, letter: Letter) -> Message:
        """Nothing but reading it again at the source can help: to the end of the queue."""
        return self._letters.again(letter)

    def _finish(self, step: _Step, newest: NewestVersions) -> None:
        request, (task, number) = step.request, step.place
        counts: Counter[str] = Counter()
        messages: list[Message] = []
        chosen = _Chosen(newest)
        for letter, made in step.made:
            fates = [(message, chosen.fate(letter, message)) for message in self._own(made)]
            said = {fate for _, fate in fates} or {"replayed"}
            through: list[Message] = []
            if any(message.topic == self._letters.topic for message in made):
                counts["failed"] += 1
                through = made
            elif said <= {"replayed"}:
                counts["replayed"] += 1
                through = made
            elif said <= {"replayed", "superseded"}:
                counts["superseded"] += 1
                left = [message for message, fate in fates if fate == "superseded"]
                through = [m for m in made if not any(m is one for one in left)]
            else:
                counts["failed"] += 1
                why = DataError(min(said - {"replayed", "superseded"}))
                where = Where("REPLAY", f"{__name__}.SourceReplay", letter.record.topic)
                messages.append(self._letters.again(letter, where, why))
            chosen.add(letter, self._own(through))
            messages += through
        before = _of_request(request, dones(self._stored, self._spec.connector), task, number)
        done = replace(
            before,
            next={**before.next, number: step.end},
            counts=dict(Counter(before.counts) + counts),
            request=request.id,
        )
        key = done_key(self._spec.connector, 1, str(task), number)
        refused = self._letters.refused
        self._letters.tried = {id(message): letter for letter, made in step.made for message in made}
        self._hand(messages, [Message(self._spec.internal.views, key, dump_done(done))])
        self._settle()
        if again := self._letters.refused - refused:  # by their topic, which only the log could tell
            counts += Counter({"replayed": -again, "failed": again})
            done = replace(done, counts=dict(Counter(before.counts) + counts))
            self._hand([], [Message(self._spec.internal.views, key, dump_done(done))])
            self._settle()
        self._letters.tried = {}
        with suppress(Retriable):  # then nothing is begun before it is read
            self._stored.refresh(LAST_S)
        log.info("dead letters of %s dealt with before offset %d: %s", request.queue, step.end, dict(counts))
