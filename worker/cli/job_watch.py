"""Following a view's job until it ends: a bar with rate and time left on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from headwater.worker.observe.progress import duration

from .client import Client, NoWorker, Refused
from .terminal import say

_POLL_S: Final = 0.3
_LINE_EVERY_S: Final = 5.0
_WORKER_BACK_S: Final = 120.0
_BUSY: Final = 503
_MEANWHILE: Final[Mapping[type, str]] = {
    NoWorker: "the worker does not answer; the job goes on when it is back",
    Refused: "the worker's log does not answer; the job goes on when it is back",
}

STAGES: Final = {
    "preflight": "looking at the log and the target",
    "create": "making the new generation",
    "replay": "replaying the log",
    "catch_up": "catching up",
    "verify": "verifying",
    "ready": "verified, waiting to be promoted",
    "refresh": "bringing the kept generation up to date",
    "swap": "swapping",
    "compare": "verifying",
    "give_up": "giving up",
}


class Detached(Exception):
    """The user pressed Ctrl-C: the job goes on without a watcher."""


def watch(client: Client, view: str, job: str, until_ready: bool = False) -> dict[str, Any]:
    """Follow a job to its end; its history entry. With `until_ready` returns {} once it waits to be promoted.

    A worker that is gone, and one whose log is, are waited for: two minutes at most.
    Raises `Detached`, `NoWorker`, `Refused`.
    """
    with _display() as display:
        try:
            return _follow(client, view, job, until_ready, display)
        except KeyboardInterrupt:
            raise Detached from None


def _follow(client: Client, view: str, job: str, until_ready: bool, display: _Lines | _Bars) -> dict[str, Any]:
    gone_since: float | None = None
    while True:
        try:
            answer = client.get("views", view, "progress")
            gone_since = None
        except (NoWorker, Refused) as error:
            gone_since = gone_since or time.monotonic()
            if time.monotonic() - gone_since > _WORKER_BACK_S or getattr(error, "status", _BUSY) != _BUSY:
                raise
            display.show("waiting", {"detail": _MEANWHILE[type(error)]})
            time.sleep(1.0)
            continue
        running = answer["job"]
        if running is None or running["id"] != job:
            return _ended(client, view, job, answer["last"])
        if until_ready and running["stage"] == "ready":
            return {}
        told = answer["progress"] or {}
        display.show(running["stage"], told if told.get("stage") == running["stage"] else {})
        time.sleep(_POLL_S)


def _ended(client: Client, view: str, job: str, last: dict[str, Any] | None) -> dict[str, Any]:
    if last is not None and last["id"] == job:
        return last
    for entry in client.get("views", view)["history"]:
        if entry["id"] == job:
            return dict(entry)
    raise NoWorker(f"the worker knows nothing of the job {job} of {view}: was its data directory replaced?")


def wait_for_idle(client: Client, view: str) -> None:
    """Wait for a job that somebody else has started."""
    told = ""
    while (running := client.get("views", view, "progress")["job"]) is not None:
        if running["id"] != told:
            say(f"waiting for the {running['kind']} of {view} that is running (stage {running['stage']})")
            told = running["id"]
        time.sleep(_POLL_S * 2)


def wait_until_dropped(client: Client, view: str, timeout_s: float = 60.0) -> bool:
    """Wait until no generation is being dropped any more; whether that came about."""
    deadline = time.monotonic() + timeout_s
    while "dropping" in client.get("views", view, "progress")["generations"].values():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def remind_of_file(view: str) -> None:
    """Readers see a generation with another config than before: the user's file has to follow."""
    say(
        "Now write this config into your file, or the file is out of date and is not applied; "
        f"`headwater connectors show {view}` shows it."
    )


def sentence(stage: str, told: Mapping[str, Any]) -> str:
    """`replaying the log: 12,000 of 48,000 records (25 %), 11,500 records/s, 3 s left`"""
    text = STAGES.get(stage, stage)
    done, total, unit = told.get("done") or 0, told.get("total"), told.get("unit", "records")
    if total:
        text += f": {done:,} of {total:,} {unit} ({100 * min(done, total) // total} %)"
        if rate := told.get("rate"):
            text += f", {rate:,.0f} {unit}/s"
        if told.get("eta_s"):
            text += f", {duration(told['eta_s'])} left"
    elif done:
        text += f": {done:,} {unit}"
    detail = told.get("detail", "")
    return f"{text} - {detail}" if detail else text


class _Lines:
    """For logs: a line where the stage or its detail changes, and every few seconds."""

    def __init__(self) -> None:
        self._last: tuple[str, str] | None = None
        self._at = 0.0

    def show(self, stage: str, told: Mapping[str, Any]) -> None:
        now, what = time.monotonic(), (stage, str(told.get("detail", "")))
        if what == self._last and now - self._at < _LINE_EVERY_S:
            return
        if what == self._last and not told.get("total"):
            return
        self._last, self._at = what, now
        say(sentence(stage, told))


class _Bars:
    """For a terminal: one bar, relabelled with each stage."""

    def __init__(self) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
        self._progress = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("", total=None, figures="")

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, stage: str, told: Mapping[str, Any]) -> None:
        total, rate = told.get("total"), told.get("rate") or 0
        figures = str(told.get("detail", ""))
        if total:
            figures = f"{told['done']:,}/{total:,}  {rate:,.0f}/s  {duration(told.get('eta_s'))}"
        self._progress.update(
            self._task,
            description=STAGES.get(stage, stage),
            total=total or None,
            completed=told.get("done") or 0,
            figures=figures,
        )


def _display() -> AbstractContextManager[_Lines | _Bars]:
    return _Bars() if sys.stderr.isatty() else nullcontext(_Lines())
