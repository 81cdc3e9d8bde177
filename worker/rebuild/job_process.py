"""The process of a view's job: `python -m headwater.worker.rebuild.job_process`, started and restarted by the worker.

Assignment on standard input: `{"view", "settings": {…}, "data_dir"[, "overrides": {…}]}`. What is to be done stands
on the log. Commands: `stop`, and `tasks` with `{"generations": {"2": {"failure": null|"why", "stopped": false}}}`
whenever that changes. Events: `progress` with `{"stage","done","total","unit","detail","rate","eta_s"}`, `error`.
Exit status: 0 where nothing is left to do, 1 after an error (start it again), 3 where another process has taken over.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from headwater.worker.api import Fenced, HeadwaterError
from headwater.worker.config.secrets import Redactor, expand, secret_values
from headwater.worker.log import Log, open_log
from headwater.worker.observe import logs
from headwater.worker.runtime.child_channel import ChildChannel
from headwater.worker.runtime.task_spec import FENCED_EXIT

from .stages import run
from .work import Work

log_lines = logging.getLogger(__name__)


class ToldTaskStates:
    """What the worker has told of the tasks; before it has told anything they are taken to run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: Mapping[str, Any] = {}

    def tell(self, generations: Mapping[str, Any]) -> None:
        with self._lock:
            self._told = generations

    def failure(self, view: str, generation: int) -> str | None:
        with self._lock:
            state = self._told.get(str(generation))
        return state and state.get("failure")

    def stopped(self, view: str, generation: int) -> bool:
        with self._lock:
            return bool(self._told) and self._told.get(str(generation), {"stopped": True})["stopped"]


def main() -> int:
    channel = ChildChannel()
    assignment = channel.assignment
    view, raw_settings = str(assignment["view"]), dict(assignment["settings"])
    redactor = Redactor()
    logs.configure(
        view,
        as_json=raw_settings.get("log.format", "text") == "json",
        level=raw_settings.get("log.level", "INFO"),
        redact=redactor.redact,
    )
    tasks = ToldTaskStates()

    def on_command(name: str, fields: dict[str, Any]) -> None:
        if name == "tasks":
            tasks.tell(fields["generations"])
        elif name == "stop":
            _end()

    channel.listen(on_command, _end)
    signal.signal(signal.SIGTERM, lambda *_: _end())
    try:
        settings = expand(raw_settings)
        redactor.add(secret_values(raw_settings, settings))
        raw_overrides = dict(assignment.get("overrides", {}))
        overrides = expand(raw_overrides)
        redactor.add(secret_values(raw_overrides, overrides))
        with closing(open_log(settings, Path(assignment["data_dir"]), overrides)) as the_log:
            _run(channel, view, settings, the_log, tasks, redactor)
        return 0
    except Fenced as error:
        log_lines.info("another process has taken over the job of view %s: %s", view, error)
        return FENCED_EXIT
    except HeadwaterError as error:  # said on purpose: no trace of ours would tell the user more
        said = redactor.redact(str(error))
        log_lines.error("the job of view %s ends: %s", view, said)
        channel.tell("error", {"message": said, "trace": ""})
        return 1
    except Exception as error:  # the end of the line: the worker shows it and starts the job again
        log_lines.exception("the job of view %s ends", view)
        trace = "".join(traceback.format_exception(error))
        channel.tell("error", {"message": redactor.redact(str(error)), "trace": redactor.redact(trace)})
        return 1


def _run(
    channel: ChildChannel,
    view: str,
    settings: Mapping[str, str],
    the_log: Log,
    tasks: ToldTaskStates,
    redactor: Redactor,
) -> None:
    def emit(fields: Mapping[str, Any]) -> None:
        detail = redactor.redact(str(fields.get("detail", "")))
        channel.tell("progress", {**fields, "detail": detail})

    with closing(Work(view, the_log, settings, tasks, emit, redactor.add, redactor.redact)) as work:
        run(work)


def _end() -> None:
    """At once, as a kill -9 would: every stage goes on from what stands on the log."""
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
