"""The table of `headwater status`: one row a task, with what the worker says of it and how fast it goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from headwater.worker.observe.progress import Meter, duration

__all__ = ["HEADERS", "LIVE_HEADERS", "StatusRows"]

HEADERS: Final = ("connector", "task", "state", "worker", "progress", "lag", "memory", "restarts", "error")
LIVE_HEADERS: Final = (*HEADERS[:5], "rate", *HEADERS[5:])
WINDOW_S: Final = 10.0

Status = Mapping[str, Any]


class StatusRows:
    """`rates`: show a column with records per second, measured from one call of `rows` to the next."""

    def __init__(self, rates: bool = False) -> None:
        self._rates = rates
        self._meters: dict[tuple[str, str], Meter] = {}

    def rows(self, connectors: Mapping[str, Mapping[str, Any]]) -> list[tuple[object, ...]]:
        """From the answer to `GET /connectors?expand=status`."""
        return [row for name in sorted(connectors) for row in self._connector(name, connectors[name]["status"])]

    def _connector(self, name: str, status: Status) -> list[tuple[object, ...]]:
        parts: list[tuple[str, Status]] = [(str(task["id"]), task) for task in status["tasks"]]
        if not parts or status["connector"].get("trace"):
            parts.insert(0, ("", status["connector"]))
        for generation, tasks in sorted(status.get("generations", {}).items(), key=lambda item: int(item[0])):
            parts += [(f"{task['id']} (g{generation})", task) for task in tasks]
        return [self._row(name, task, part) for task, part in parts]

    def _row(self, name: str, task: str, part: Status) -> tuple[object, ...]:
        rate = [self._rate(name, task, part)] if self._rates else []
        memory = part.get("memory_bytes")
        return (
            name,
            task,
            part["state"],
            part.get("worker_id", ""),
            _progress(part),
            *rate,
            _lag(part),
            "" if memory is None else f"{memory / 1e6:,.0f} MB",
            part.get("restarts") or "",
            _first_line(part.get("trace")),
        )

    def _rate(self, name: str, task: str, part: Status) -> str:
        metrics = part.get("metrics") or {}
        if "records_out" not in metrics:
            return ""
        meter = self._meters.setdefault((name, task), Meter(WINDOW_S))
        meter.add(int(metrics["records_out"]))
        return f"{meter.read().rate:,.0f}/s"


def _progress(part: Status) -> str:
    """From Headwater's own additions to Kafka Connect's status, where the worker has something to tell."""
    progress = part.get("progress") or {}
    if not progress.get("stage"):
        return ""
    done, total = progress.get("done"), progress.get("total")
    figures = f" {done:,} of {total:,}" if total else f" {done:,}" if done else ""
    return f"{progress['stage']}{figures} {progress.get('unit', '')}".rstrip() if figures else str(progress["stage"])


def _lag(part: Status) -> str:
    """Of a sink the offsets left to read; of a source what the server keeps for it, and for how long already."""
    metrics, told = part.get("metrics") or {}, (part.get("progress") or {}).get("lag") or {}
    if "slot_bytes" in told:
        seconds = told.get("slot_seconds", 0)
        behind = f", {duration(seconds)}" if seconds >= 1 else ""
        return f"{told['slot_bytes'] / 1e6:,.1f} MB{behind}"
    return f"{metrics['lag']:,}" if metrics.get("lag") else ""


def _first_line(trace: str | None) -> str:
    """The error itself: a trace's last line, as Python writes them."""
    lines = (trace or "").strip().splitlines()
    return lines[-1] if lines else ""
