"""What happens to a record that fails in a stage: try again, skip it, dead letter it, or fail the task.

Source of the rules: Kafka Connect 4.3, RetryWithToleranceOperator and KIP-298.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from headwater.worker.api import Fatal, HeadwaterError, Retriable, Unavailable
from headwater.worker.config.plan import ErrorPolicy
from headwater.worker.observe.metrics import TaskMetrics

__all__ = ["Backoff", "Interrupted", "RecordErrors", "Where", "shown", "text_of"]

log = logging.getLogger(__name__)
T = TypeVar("T")

_FIRST_DELAY_S = 0.3
_CONTENT_SHOWN = 2_000


class Interrupted(Exception):
    """The task was asked to stop while it waited to try again; what it was doing is not done."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where a record failed. `stage` in Kafka Connect's words (TRANSFORMATION, VALUE_CONVERTER, TASK_PUT …),
    `executing`: the class at work, `subject`: the record as `topic-partition@offset`, `content`: key and value, which
    are shown where `errors.log.include.messages` asks for it alone."""

    stage: str
    executing: str
    subject: str
    content: str = ""


class Backoff:
    """Delays that double, with jitter, so that tasks which failed together do not come back together."""

    def __init__(self, first_s: float, most_s: float) -> None:
        self._first_s = first_s
        self._most_s = max(first_s, most_s)
        self.attempts = 0

    def next(self) -> float:
        """Seconds to wait before the next attempt."""
        delay: float = min(self._most_s, self._first_s * 2 ** min(self.attempts, 30))
        self.attempts += 1
        return delay * random.uniform(0.75, 1.0)

    def reset(self) -> None:
        self.attempts = 0


class RecordErrors:
    """Applies `errors.*` of one connector to the records of one task.

    `wait(seconds)` sleeps on the task's thread, keeps the connector alive meanwhile and returns True where the task
    has to stop.
    """

    def __init__(self, policy: ErrorPolicy, metrics: TaskMetrics, wait: Callable[[float], bool]) -> None:
        self._policy = policy
        self._metrics = metrics
        self._wait = wait
        self.waits_for = ""
        """Which record waits to be tried again, and why."""

    def again(self, work: Callable[[], T], error: Exception, where: Callable[[], Where]) -> T:
        """`work` has failed with `error`: try again as long as it is `Retriable` and the time limit allows.

        Raises the last error where that does not help, `Interrupted` where the task has to stop. What is `Unavailable`
        is waited for without end, unless the user has set a limit: an outage says nothing about this record.
        """
        limit_ms = self._policy.retry_timeout_ms
        end = time.monotonic() + limit_ms / 1000 if limit_ms >= 0 else float("inf")
        backoff = Backoff(_FIRST_DELAY_S, self._policy.retry_delay_max_ms / 1000)
        while isinstance(error, Retriable):
            delay = error.after_s if error.after_s is not None else backoff.next()
            waited_for = isinstance(error, Unavailable) and limit_ms == 0
            if time.monotonic() + delay > end and not waited_for:
                raise error
            self._metrics.retries += 1
            self._metrics.record_retries += 1
            self._metrics.record_failures += 1
            level = logging.WARNING if isinstance(error, Unavailable) else logging.DEBUG
            at = where()
            log.log(level, "%s failed in %s, trying again in %.1f s: %s", at.subject, at.stage, delay, error)
            self.waits_for = f"{at.subject} waits in {at.stage}: {text_of(error)}"
            if self._wait(delay):
                raise Interrupted
            try:
                return work()
            except Exception as next_error:
                error = next_error
        raise error

    def failed(self, error: Exception, where: Where, dead_letter: Callable[[Where, Exception], None] | None) -> None:
        """This record cannot be handled. Returns where the record is to be skipped, raises `Fatal` otherwise."""
        if isinstance(error, Fatal | Interrupted):
            raise error
        metrics, policy = self._metrics, self._policy
        metrics.errors += 1
        metrics.record_failures += 1
        metrics.failed(f"{where.subject}: {text_of(error)}")
        if policy.log_enable:
            metrics.errors_logged += 1
            said = _said(error)
            if policy.log_include_messages and where.content:
                said += f"; {where.content[:_CONTENT_SHOWN]}"
            log.error("record %s failed in %s (%s): %s", where.subject, where.stage, where.executing, said)
        if isinstance(error, Unavailable):
            raise Fatal(f"{text_of(error)}. The task stops; nothing is skipped, and it is started again") from error
        if policy.tolerance != "all":
            raise Fatal(
                f"record {where.subject} failed in {where.stage} ({where.executing}): {_said(error)}. The task stops; "
                "nothing is skipped. Mend the record or the config, or let such records pass by "
                "with errors.tolerance=all, for sinks with errors.deadletterqueue.topic.name"
            ) from error
        if dead_letter is not None:
            dead_letter(where, error)
            metrics.records_dead_lettered += 1
        else:
            metrics.records_skipped += 1


def text_of(error: BaseException) -> str:
    """What it says. A plugin's own may fail at that, too."""
    try:
        return str(error)
    except Exception as second:
        return f"its message cannot be read: {type(second).__name__}"


def shown(value: object) -> str:
    """`repr`, which fails for what is nested too deeply and may fail for a plugin's own: its class then."""
    try:
        return repr(value)
    except Exception:  # it only says what failed, and may not take that one's place
        return type(value).__qualname__


def reason_of(error: BaseException) -> str:
    """What it says; with its class, where it is not one of Headwater's: `KeyError: 'file'`, not `'file'`."""
    return (text_of(error) if isinstance(error, HeadwaterError) else "") or _said(error)


def _said(error: BaseException) -> str:
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
