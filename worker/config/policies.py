"""What happens after a failure: to a record, to a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ErrorPolicy:
    """What happens to a record that fails in a stage or converter, and to a call that raises `Retriable`.

    `retry_timeout_ms`: 0 = no retries, -1 = for ever. `dlq_topic` is None where there is no dead letter queue.
    """

    tolerance: Literal["none", "all"] = "none"
    retry_timeout_ms: int = 0
    retry_delay_max_ms: int = 60_000
    log_enable: bool = False
    log_include_messages: bool = False
    dlq_topic: str | None = None
    dlq_replication_factor: int = 3
    dlq_context_headers: bool = False


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How a failed task is started again. `max_attempts`: in a row without progress; -1 = no limit, 0 = never."""

    backoff_initial_ms: int = 1_000
    backoff_max_ms: int = 60_000
    max_attempts: int = 10


@dataclass(frozen=True, slots=True)
class BoundaryPolicy:
    """Where a source's transactions end: with what was read at once, after `interval_ms`, or where it says so."""

    mode: Literal["poll", "interval", "connector"] = "poll"
    interval_ms: int = 60_000


def boundary_policy(values: Mapping[str, Any], worker: Mapping[str, str]) -> BoundaryPolicy:
    """From parsed source options; `worker`: the worker's as text, whose offset.flush.interval.ms is the default."""
    given = values["transaction.boundary.interval.ms"]
    interval_ms = int(worker.get("offset.flush.interval.ms", "60000")) if given is None else given
    return BoundaryPolicy(values["transaction.boundary"], interval_ms)


def error_policy(values: Mapping[str, Any]) -> ErrorPolicy:
    """From parsed connector options; the dead letter queue belongs to sinks."""
    return ErrorPolicy(
        tolerance=values["errors.tolerance"],
        retry_timeout_ms=values["errors.retry.timeout"],
        retry_delay_max_ms=values["errors.retry.delay.max.ms"],
        log_enable=values["errors.log.enable"],
        log_include_messages=values["errors.log.include.messages"],
        dlq_topic=values.get("errors.deadletterqueue.topic.name") or None,
        dlq_replication_factor=values.get("errors.deadletterqueue.topic.replication.factor", 3),
        dlq_context_headers=values.get("errors.deadletterqueue.context.headers.enable", False),
    )


def restart_policy(values: Mapping[str, Any]) -> RestartPolicy:
    """From parsed connector options."""
    return RestartPolicy(
        values["restart.backoff.initial.ms"], values["restart.backoff.max.ms"], values["restart.max.attempts"]
    )
