"""Metrics that Kafka Connect does not have: `headwater_…`. Labels name connectors, tasks, generations and views only,
so that their number is bounded by what runs here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily, Metric

from .connect_metrics import TASK_LABELS, family
from .latency import BOUNDS_S
from .observed import Observed, Process, task_labels

__all__ = ["own_metrics"]

Value = Callable[[Process], float | None]


def _metric(name: str, kind: str = "") -> Value:
    def value(process: Process) -> float | None:
        return None if kind and process["plugin"].get("kind") != kind else process["metrics"].get(name)

    return value


def _lag(name: str) -> Value:
    def value(process: Process) -> float | None:
        if process["pid"] is None:
            return None
        return next((told["lag"][name] for told in reversed(process["progress"]) if name in told.get("lag", {})), None)

    return value


def _of_sink(name: str) -> Value:
    known = _metric(name, "sink")
    return lambda process: None if process["pid"] is None else known(process)


_OF_TASKS: Final[tuple[tuple[str, str, Value], ...]] = (
    ("task_records_read_total", "Records read: from the source, or from the log.", _metric("records_in")),
    ("task_records_written_total", "Records durable: on the log, or in the view.", _metric("records_out")),
    ("task_bytes_read_total", "Bytes of keys and values read from the log.", _metric("bytes_in", "sink")),
    ("task_bytes_written_total", "Bytes durable: on the log; of a sink those read for what is in the view.",
     _metric("bytes_out")),
    ("task_records_filtered_total", "Records that transforms have left out.", _metric("records_filtered")),
    ("task_lag_records", "Offsets left to read, over all partitions.", _of_sink("lag")),
    ("task_memory_bytes", "Resident memory of the task's process.", lambda p: p["memory_bytes"]),
    ("task_memory_max_bytes", "Limit by task.memory.max.bytes.", lambda p: p["memory_max_bytes"]),
    ("task_cpu_seconds_total", "Processor time of the task's process.", lambda p: p["cpu_s"]),
    ("task_uptime_seconds", "Since the task's process was started.", lambda p: p["uptime_s"] if p["pid"] else None),
    ("task_restarts_total", "How often the task was started again after a failure.", lambda p: p["restarts"]),
    ("task_stalled", "1: it makes no progress although there is work.", lambda p: float(bool(p["stalled"]))),
    ("task_failed", "1: it has failed and is not started again by itself.", lambda p: float(p["state"] == "FAILED")),
    ("task_reopened_total", "How often the task began anew after an error that passes.", _metric("retries")),
    ("replication_slot_lag_bytes", "WAL that the server has written and the log does not hold yet.",
     _lag("slot_bytes")),
    ("replication_slot_lag_seconds", "For how long there has been such WAL.", _lag("slot_seconds")),
)  # fmt: skip


def own_metrics(observed: Observed) -> Iterator[Metric]:
    build = InfoMetricFamily("headwater_build", "The worker.")
    build.add_metric([], {"version": observed.version, "worker_id": observed.worker_id})
    yield build
    tasks = observed.tasks
    for name, doc, value in _OF_TASKS:
        made = family(f"headwater_{name}", doc, TASK_LABELS)
        for task in tasks:
            if (found := value(task)) is not None:
                made.add_metric(task_labels(task), found)
        if made.samples:
            yield made
    yield _latency(tasks)
    yield from _rebuilds([process for process in observed.processes if "job" in process])


def _latency(tasks: list[Process]) -> Metric:
    made = HistogramMetricFamily(
        "headwater_latency_seconds",
        "Of the oldest record of each batch. Sources: from its commit at the source to its commit on the log; sinks: "
        "from its timestamp on the log to being durable in the view.",
        labels=TASK_LABELS,
    )
    for task in tasks:
        told = task["measured"].get("latency")
        if told:
            counts = list(accumulate(told["counts"]))
            bounds = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
            made.add_metric(task_labels(task), list(zip(bounds, counts, strict=True)), told["total_s"])
    return made


def _rebuilds(jobs: list[Process]) -> Iterator[Metric]:
    """The stage that a view's job is in, and how far it is there."""
    stage = InfoMetricFamily("headwater_rebuild_stage", "What the job of a view is doing.", labels=("view",))
    figures = {
        "done": GaugeMetricFamily("headwater_rebuild_done", "How much of the stage is done.", labels=("view",)),
        "total": GaugeMetricFamily("headwater_rebuild_total_work", "How much the stage has to do.", labels=("view",)),
        "rate": GaugeMetricFamily("headwater_rebuild_rate", "How much it does per second.", labels=("view",)),
        "eta_s": GaugeMetricFamily("headwater_rebuild_eta_seconds", "When the stage will end.", labels=("view",)),
    }
    for job in jobs:
        told: dict[str, Any] = job["progress"][-1] if job["progress"] else {}
        if not told or job["pid"] is None:
            continue
        view = [str(job["job"])]
        stage.add_metric(view, {"stage": str(told["stage"]), "unit": str(told.get("unit", ""))})
        for name, made in figures.items():
            if told.get(name) is not None:
                made.add_metric(view, float(told[name]))
    yield stage
    yield from figures.values()
