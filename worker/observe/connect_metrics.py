"""Kafka Connect's metrics of tasks, under the names that JMX exporters give them: `kafka_connect_<group>_<attribute>`.

Source of groups, attributes and meanings: `ConnectMetricsRegistry` (Kafka 4.3). An attribute that Headwater has no true
figure for is not there; docs/metrics.md lists those, with the reason. Averages and maxima are over the last 30 to 60 s,
rates over the last minute, as there; what has no value at the moment has no sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric, UnknownMetricFamily

from .observed import Observed, Process, state_of, task_labels

__all__ = ["TASK_LABELS", "family", "task_metrics"]

TASK_LABELS: Final = ("connector", "task", "generation")
Value = Callable[[Process], float | None]
Family = CounterMetricFamily | GaugeMetricFamily | UnknownMetricFamily


@dataclass(frozen=True, slots=True)
class Attribute:
    """`kind`: of the tasks that have it, source or sink; empty: all."""

    group: str
    name: str
    doc: str
    value: Value
    kind: str = ""

    @property
    def full_name(self) -> str:
        return f"kafka_connect_{self.group}_{self.name}".replace("-", "_")


def _count(name: str) -> Value:
    return lambda process: process["metrics"].get(name)


def _both(first: str, second: str) -> Value:
    return lambda process: process["metrics"].get(first, 0) + process["metrics"].get(second, 0)


def _now(name: str) -> Value:
    """A figure that means something only as long as the process is there."""
    return lambda process: None if process["pid"] is None else process["metrics"].get(name)


def _window(name: str, part: str) -> Value:
    return lambda process: None if process["pid"] is None else (process["measured"].get(name) or {}).get(part)


def _rate(name: str) -> Value:
    return lambda process: None if process["pid"] is None else process["measured"].get("rates", {}).get(name)


def _share(*states: str) -> Value:
    return lambda process: sum(process["shares"].get(state, 0.0) for state in states)


def _failed_commits(process: Process) -> float | None:
    return None if process["pid"] is None else process["measured"].get("commit_failure_share")


def _good_commits(process: Process) -> float | None:
    failed = _failed_commits(process)
    return None if failed is None else 1.0 - failed


_TASK, _SOURCE, _SINK, _ERROR = (
    "connector-task-metrics",
    "source-task-metrics",
    "sink-task-metrics",
    "task-error-metrics",
)
ATTRIBUTES: Final = (
    Attribute(_TASK, "running-ratio", "Share of its time that the task has been running.", _share("RUNNING")),
    Attribute(_TASK, "pause-ratio", "Share of its time that the task has been paused.", _share("PAUSED")),
    Attribute(_TASK, "offset-commit-max-time-ms", "Longest commit, ms.", _window("commit_ms", "max")),
    Attribute(_TASK, "offset-commit-avg-time-ms", "Average commit, ms.", _window("commit_ms", "avg")),
    Attribute(_TASK, "batch-size-max", "Records in the largest batch.", _window("batch_records", "max")),
    Attribute(_TASK, "batch-size-avg", "Records in a batch, on average.", _window("batch_records", "avg")),
    Attribute(_TASK, "offset-commit-failure-percentage", "Share of commits that failed, 0 to 1.", _failed_commits),
    Attribute(_TASK, "offset-commit-success-percentage", "Share of commits that succeeded, 0 to 1.", _good_commits),

    Attribute(_SOURCE, "source-record-poll-rate", "Records read per second, before transforms.",
              _rate("records_in"), "source"),
    Attribute(_SOURCE, "source-record-poll-total", "Records read, before transforms.", _count("records_in"), "source"),
    Attribute(_SOURCE, "source-record-write-rate", "Records committed on the log per second.",
              _rate("records_out"), "source"),
    Attribute(_SOURCE, "source-record-write-total", "Records committed on the log.", _count("records_out"), "source"),
    Attribute(_SOURCE, "poll-batch-max-time-ms", "Longest wait for a batch, ms.", _window("read_ms", "max"), "source"),
    Attribute(_SOURCE, "poll-batch-avg-time-ms", "Average wait for a batch, ms.", _window("read_ms", "avg"), "source"),
    Attribute(_SOURCE, "source-record-active-count", "Records read and not committed on the log yet.",
              _now("queued_records"), "source"),
    Attribute(_SOURCE, "source-record-active-count-max", "The most of these.", _window("queued", "max"), "source"),
    Attribute(_SOURCE, "source-record-active-count-avg", "These, on average.", _window("queued", "avg"), "source"),
    Attribute(_SOURCE, "transaction-size-min", "Records in the smallest transaction.",
              _window("transaction_records", "min"), "source"),
    Attribute(_SOURCE, "transaction-size-max", "Records in the largest transaction.",
              _window("transaction_records", "max"), "source"),
    Attribute(_SOURCE, "transaction-size-avg", "Records in a transaction, on average.",
              _window("transaction_records", "avg"), "source"),

    Attribute(_SINK, "sink-record-read-rate", "Records read from the log per second, before transforms.",
              _rate("records_in"), "sink"),
    Attribute(_SINK, "sink-record-read-total", "Records read from the log, before transforms.",
              _count("records_in"), "sink"),
    Attribute(_SINK, "sink-record-send-rate", "Records handed to the sink per second.", _rate("records_sent"), "sink"),
    Attribute(_SINK, "sink-record-send-total", "Records handed to the sink.", _count("records_sent"), "sink"),
    Attribute(_SINK, "sink-record-lag-max", "Offsets left to read, in the partition that has most of them.",
              _now("lag_max"), "sink"),
    Attribute(_SINK, "partition-count", "Partitions that the task reads.", _now("partitions"), "sink"),
    Attribute(_SINK, "offset-commit-seq-no", "Number of the newest commit.", _count("commits"), "sink"),
    Attribute(_SINK, "offset-commit-completion-rate", "Commits per second.", _rate("commits"), "sink"),
    Attribute(_SINK, "offset-commit-completion-total", "Commits.", _count("commits"), "sink"),
    Attribute(_SINK, "put-batch-max-time-ms", "Longest time that the sink took for a batch, ms.",
              _window("write_ms", "max"), "sink"),
    Attribute(_SINK, "put-batch-avg-time-ms", "Average time that the sink took for a batch, ms.",
              _window("write_ms", "avg"), "sink"),
    Attribute(_SINK, "sink-record-active-count", "Records read and not durable in the view yet.",
              _now("queued_records"), "sink"),
    Attribute(_SINK, "sink-record-active-count-max", "The most of these.", _window("queued", "max"), "sink"),
    Attribute(_SINK, "sink-record-active-count-avg", "These, on average.", _window("queued", "avg"), "sink"),

    Attribute(_ERROR, "total-record-failures", "Attempts on a record that failed.", _count("record_failures")),
    Attribute(_ERROR, "total-record-errors", "Records that failed for good.", _count("errors")),
    Attribute(_ERROR, "total-records-skipped", "Records left out because of errors, dead letters included.",
              _both("records_skipped", "records_dead_lettered")),
    Attribute(_ERROR, "total-retries", "Attempts on a record that were made again.", _count("record_retries")),
    Attribute(_ERROR, "total-errors-logged", "Errors of records that were logged.", _count("errors_logged")),
    Attribute(_ERROR, "deadletterqueue-produce-requests", "Records sent to the dead letter queue.",
              _count("records_dead_lettered")),
    Attribute(_ERROR, "last-error-timestamp", "When the task last met an error, ms since 1970; 0: never.",
              _count("last_error_ms")),
)  # fmt: skip


def family(name: str, doc: str, labels: tuple[str, ...] = ()) -> Family:
    """What rises and ends in `_total`, as Prometheus wants it, is a counter. Connect's `total-…` has no type there."""
    if name.endswith("_total"):
        return CounterMetricFamily(name, doc, labels=labels)
    if "_total_" in name and name.startswith("kafka_connect_task_error"):
        return UnknownMetricFamily(name, doc, labels=labels)
    return GaugeMetricFamily(name, doc, labels=labels)


def task_metrics(observed: Observed) -> Iterator[Metric]:
    tasks = observed.tasks
    status = InfoMetricFamily("kafka_connect_connector_task_metrics_status", "State of the task.", labels=TASK_LABELS)
    for task in tasks:
        status.add_metric(task_labels(task), {"status": state_of(task)})
    yield status
    for attribute in ATTRIBUTES:
        made = family(attribute.full_name, attribute.doc, TASK_LABELS)
        for task in tasks:
            kind = task["plugin"].get("kind")
            if attribute.kind and kind != attribute.kind:
                continue
            value = attribute.value(task)
            if value is not None and task["metrics"]:
                made.add_metric(task_labels(task), value)
        if made.samples:
            yield made
