"""What a task counts. Plain numbers, added to once a batch and reported up as a dict."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields
from typing import Any

from .latency import Latency
from .windows import Rates, Window

__all__ = ["TaskMetrics"]

_RATES = ("records_in", "records_sent", "records_out", "bytes_in", "bytes_out", "commits", "commit_failures")


@dataclass(slots=True)
class TaskMetrics:
    """Counters since the task's process started.

    Sources: `records_in` were read, `records_out` are committed on the log. Sinks: `records_in` were read from the
    log, `records_sent` handed to the sink, `records_out` are durable in the view, `lag` is how many offsets are left
    to read (`lag_max` in the partition that has most). `last_activity_ms`: when a record was last read or written;
    `last_tick_ms`: when the task's loop last came round (a plugin call that hangs stops it). Both epoch milliseconds.
    """

    records_in: int = 0
    records_sent: int = 0
    records_out: int = 0
    records_filtered: int = 0
    records_skipped: int = 0
    records_dead_lettered: int = 0
    record_failures: int = 0
    """Attempts to convert, transform or write a record that failed, also those of which a later one succeeded."""
    record_retries: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    batches: int = 0
    commits: int = 0
    commit_failures: int = 0
    retries: int = 0
    errors: int = 0
    errors_logged: int = 0
    queued_records: int = 0
    lag: int = 0
    lag_max: int = 0
    partitions: int = 0
    last_activity_ms: int = 0
    last_tick_ms: int = 0
    last_error: str = ""
    last_error_ms: int = 0
    topics: tuple[str, ...] = ()
    """Topics that the task has written to, or reads."""
    offsets: dict[str, int] = field(default_factory=dict)
    """Sinks: next durable offset by `topic-partition`."""
    read_ms: Window = field(default_factory=Window)
    """Calls of `Source.read` that gave a batch."""
    write_ms: Window = field(default_factory=Window)
    """Calls of `Sink.write`."""
    commit_ms: Window = field(default_factory=Window)
    batch_records: Window = field(default_factory=Window)
    queued: Window = field(default_factory=Window)
    """`queued_records`, after each change."""
    transaction_records: Window = field(default_factory=Window)
    latency: Latency = field(default_factory=Latency)
    """Sources: from the commit at the source (else the record's timestamp) to the commit on the log. Sinks: from the
    timestamp on the log to being durable in the view."""
    rates: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        self.rates.add(dict.fromkeys(_RATES, 0))

    def tick(self) -> None:
        self.last_tick_ms = _now_ms()

    def active(self) -> None:
        self.last_activity_ms = self.last_tick_ms = _now_ms()

    def failed(self, what: str) -> None:
        """An error that the task goes on after, or ends by."""
        self.last_error, self.last_error_ms = what, _now_ms()

    def as_dict(self) -> dict[str, Any]:
        """The counters, and under `measured` the figures over the last minute. Call it every now and then: the rates
        are between calls."""
        self.rates.add({name: getattr(self, name) for name in _RATES})
        told = {f.name: getattr(self, f.name) for f in fields(self)}
        windows = {name: told.pop(name).read() for name in [n for n, v in told.items() if isinstance(v, Window)]}
        latency, rates = told.pop("latency").as_dict(), told.pop("rates")
        grown = rates.growth()
        attempts = grown["commits"] + grown["commit_failures"]
        failures = grown["commit_failures"] / attempts if attempts else 0.0
        more = {"latency": latency, "rates": rates.per_second(), "commit_failure_share": failures}
        return told | {"offsets": dict(self.offsets), "measured": windows | more}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
