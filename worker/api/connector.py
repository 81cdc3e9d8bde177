"""The contracts that a connector's author implements. A connector never sees the log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from .errors import Problem
from .options import Options, Values
from .record import Batch, Partition, Position, Record, SinkBatch, TopicPartition, TopicSettings

TaskConfig = dict[str, str]
"""What one task adds to its connector's config, e.g. {"task.tables": "public.a,public.b"}. No secrets."""


@dataclass(frozen=True, slots=True)
class Features:
    """What a connector promises; the contract suite tests what is declared.

    `transactions`: `Batch.ends_transaction` tells where the source's own transactions end, so that a user may have the
    log's end there (transaction.boundary=connector).
    """

    resumable: bool = True
    ordered: bool = True
    exactly_once: bool = False
    snapshot: bool = False
    deletes: bool = False
    generations: bool = False
    transactions: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer of `check`. `subject`: what was looked at (`wal_level`); `fix`: the command that puts it right."""

    level: Literal["ok", "warning", "error"]
    subject: str
    message: str
    fix: str = ""


@dataclass(slots=True)
class TaskContext:
    """What a task may know and tell. Made by the runtime, handed to `open`."""

    connector: str
    task: int
    values: Values
    """The connector's parsed options, with the task's own config merged in."""
    task_config: Mapping[str, str] = field(default_factory=dict)
    generation: int = 1
    """Which physical build of the view a sink writes; 1 until the first rebuild."""
    stopping: threading.Event = field(default_factory=threading.Event)
    report_progress: Callable[[Progress], None] = lambda progress: None
    report_bad_record: Callable[[Record, Exception], None] | None = None
    """Hand over a record that cannot be written or, by a source, cannot be read: what is known of it, with its place in
    the error. Returns where it is to be skipped, raises where `errors.tolerance` is none. None: raise the error."""


@dataclass(slots=True)
class Progress:
    """How far a long stage is. `total` None: not known. `lag`: figures by name, e.g. {"slot_bytes": 1024}."""

    stage: str
    done: int = 0
    total: int | None = None
    unit: str = "rows"
    detail: str = ""
    lag: Mapping[str, float] = field(default_factory=dict)
    caught_up: bool | None = None
    """Sources: has everything been read that existed when the task started? Drives `run --until-caught-up`."""


class Source:
    """One task of a source, run by one thread. Errors: see `errors`."""

    def open(self, context: TaskContext, positions: Sequence[tuple[Partition, Position]]) -> None:
        """Get ready to read on from `positions`: all that this connector has stored, by any of its tasks.

        Called again, on a fresh instance, after a `Retriable`: what was read and not acknowledged is read again.
        """

    def read(self, timeout_s: float) -> Batch | None:
        """Wait at most `timeout_s` for data. None: nothing yet."""
        raise NotImplementedError

    def topic(self, name: str) -> TopicSettings:
        """How the topic has to look for which `read` gave records; asked once a topic, before it is made."""
        return TopicSettings()

    def ack(self, positions: Sequence[tuple[Partition, Position | None]]) -> None:
        """These positions (all up to the newest of them) are durable on the log; may be empty.

        Called by the thread that calls `read`, at least every 10 s, back-pressure or not: answer keep-alives here.
        """

    def close(self) -> None:
        """Release everything. Called once or more, also after a failed `open`, by the same thread."""


class Sink:
    """One task of a sink, run by one thread. Errors: see `errors`."""

    patience_s: float = 0.0
    """How long what was written may wait for `flush`; 0: about a second. For sinks that want few large files; set by
    `open` at the latest. `flush` comes earlier at a barrier, before `revoke`, at a stop, and once the log's end is
    reached if the last one was so long ago. Such a sink reports bad records in `write` alone."""

    every_record: bool = False
    """Does it keep something of each record, rather than of the newest of each key? Set by `open` at the latest. A dead
    letter is then written also where a newer record of its key has come since."""

    rows_by_log_key: bool = True
    """Do records of one row have one key on the log? False: rows are named by values or headers, and no versions of
    them are kept. Set by `open` at the latest. Dead letters then stay: one might overwrite a newer record."""

    def open(self, context: TaskContext) -> None: ...

    def assign(self, partitions: Mapping[TopicPartition, str]) -> dict[TopicPartition, int | None]:
        """Take these partitions (with their topic ids) over, fencing every earlier owner.

        Returns the next offset that the view itself holds for each; None: it holds none, and the consumer group's
        offset counts. A view whose stored topic id differs holds another topic's data: `Fatal`.
        """
        return dict.fromkeys(partitions)

    def revoke(self, partitions: Sequence[TopicPartition]) -> None:
        """Give these partitions up; `flush` was called before where time allowed."""

    def write(self, batch: SinkBatch) -> None:
        """Take a batch; it may stay in memory until `flush`."""
        raise NotImplementedError

    def flush(self) -> dict[TopicPartition, int]:
        """Make all of it durable; returns the next offset that is now durable in the view for each partition."""
        raise NotImplementedError

    def close(self) -> None:
        """Release everything without flushing. Called once or more, also after a failed `open`."""


class Connector:
    """A plugin's entry: its options and how its work is split. Stateless; see `SourceConnector`, `SinkConnector`."""

    options: ClassVar[Options]
    version: ClassVar[str] = "0"
    features: ClassVar[Features] = Features()
    doc: ClassVar[str] = ""

    def validate(self, values: Values) -> list[Problem]:
        """Rules over several options at once. Asks no server."""
        return []

    def plan_tasks(self, values: Values, max_tasks: int) -> list[TaskConfig]:
        """One config a task, `max_tasks` at most."""
        return [{}]

    def check(self, values: Values) -> list[Finding]:
        """Ask the servers what is missing there. Changes nothing."""
        return []


class SourceConnector(Connector):
    def task(self) -> Source:
        raise NotImplementedError

    def alter_offsets(self, values: Values, offsets: Sequence[tuple[Partition, Position | None]]) -> None:
        """Check positions that a user wants to store (None: reset). Raises `ConfigError` for a wrong one."""


class SinkConnector(Connector):
    def plan_tasks(self, values: Values, max_tasks: int) -> list[TaskConfig]:
        return [{} for _ in range(max_tasks)]

    def task(self) -> Sink:
        raise NotImplementedError


class HasGenerations(Protocol):
    """A sink connector whose views can be rebuilt (`features.generations`)."""

    def generations(self, values: Values, view: str) -> Any:
        """A `generations.Generations` for the view, opened with the options of one generation."""
        ...
