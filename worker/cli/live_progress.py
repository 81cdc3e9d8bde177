"""What connectors do, on stderr: bars with rate and remaining time on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from headwater.worker.observe.progress import Meter, Reading, duration

PLAIN_EVERY_S: Final = 5.0

Status = Mapping[str, Any]


class LiveProgress:
    """A context manager; `show` is called as often as one likes with `connector_status` answers of all connectors.

    `lines`: print lines where there is no terminal; False where standard error holds lines for machines.
    """

    def __init__(self, lines: bool = True) -> None:
        self._lines = lines
        self._console = Console(file=sys.stderr)
        self._bars: Progress | None = None
        self._rows: dict[str, TaskID] = {}
        self._meters: dict[tuple[str, str], Meter] = {}
        self._told: dict[str, str] = {}
        self._next_line = time.monotonic() + 1.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[figures]}"),
                console=self._console, transient=True,
            )  # fmt: skip
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, statuses: Sequence[Status]) -> None:
        lines = {status["name"]: self._line(status) for status in statuses}
        if self._bars is not None:
            self._draw(self._bars, lines)
        elif self._lines and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + PLAIN_EVERY_S
            self._tell(lines)

    def final(self, statuses: Sequence[Status]) -> None:
        """The last word on each connector, also where a line was not due yet."""
        if self._bars is None and self._lines:
            self._tell({status["name"]: self._line(status) for status in statuses})

    def _draw(self, bars: Progress, lines: Mapping[str, tuple[Reading, str]]) -> None:
        for name in self._rows.keys() - lines.keys():
            bars.remove_task(self._rows.pop(name))
        for name, (reading, text) in lines.items():
            if name not in self._rows:
                self._rows[name] = bars.add_task(name, total=None, figures="")
            bars.update(self._rows[name], completed=reading.done, total=reading.total, figures=text)

    def _tell(self, lines: Mapping[str, tuple[Reading, str]]) -> None:
        """A connector that has not moved since its last line is left out: its rate alone is no news."""
        for name, (reading, text) in lines.items():
            news = f"{reading.done} {text.partition(', ')[0]}"
            if self._told.get(name) != news:
                self._told[name] = news
                print(f"{name}: {text}", file=sys.stderr, flush=True)

    def _line(self, status: Status) -> tuple[Reading, str]:
        """Of the generation that readers see, all tasks together."""
        parts = [status["connector"], *status["tasks"]]
        bad = next((part for part in parts if part["state"] in ("FAILED", "STALLED", "RESTARTING")), None)
        if bad is not None:
            return Reading(0, None, 0.0, None, None), f"{bad['state']}: {last_line(bad.get('trace', ''))}"
        told = [task.get("progress") or {} for task in status["tasks"]]
        stage = next((one["stage"] for one in told if one.get("stage")), "")
        if not stage:
            return Reading(0, None, 0.0, None, None), str(status["connector"]["state"]).lower()
        own = [one for one in told if one.get("stage") == stage]
        meter = self._meters.setdefault((status["name"], stage), Meter())
        meter.add(sum(int(one.get("done") or 0) for one in own), _total(own))
        reading = meter.read()
        return reading, f"{stage} {figures(reading, str(own[0].get('unit') or ''))}".rstrip()


def _total(progress: Sequence[Mapping[str, Any]]) -> int | None:
    """Of all tasks; a sink that lags behind has as many records to go, about, as the log has offsets."""
    totals = [one.get("total") for one in progress]
    if None not in totals:
        return sum(int(total or 0) for total in totals)
    lag = sum(int((one.get("lag") or {}).get("offsets") or 0) for one in progress)
    return sum(int(one.get("done") or 0) for one in progress) + lag if lag else None


def figures(reading: Reading, unit: str) -> str:
    """`1,200 of 5,000 rows, 400 rows/s, 10 s left`, as far as it is known."""
    of = f" of {reading.total:,}" if reading.total is not None else ""
    parts = [f"{reading.done:,}{of} {unit}".rstrip()]
    if reading.rate >= 0.5:
        parts.append(f"{reading.rate:,.0f} {unit}/s")
    if reading.eta_s is not None and reading.eta_s >= 1:
        parts.append(f"{duration(reading.eta_s)} left")
    return ", ".join(parts)


def last_line(trace: str) -> str:
    """The error itself: traces end with it."""
    lines = trace.strip().splitlines()
    return lines[-1] if lines else ""
