"""The process of one task: `python -m headwater.worker.runtime.task_process`, started by the supervisor alone.

Exit status: 0 after a graceful stop, 1 after an error (told as an event before; a plugin that calls `sys.exit` is one),
3 where the task was taken over.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headwater.worker.api import ConfigError, Fatal, Fenced, HeadwaterError, Retriable
from headwater.worker.config.plan import ConnectorPlan, build_plan
from headwater.worker.config.secrets import Redactor, expand, secret_values
from headwater.worker.log import open_log
from headwater.worker.observe import logs
from headwater.worker.observe.metrics import TaskMetrics

from .child_channel import PARENT_GONE_EXIT, ChildChannel
from .errors import Backoff, reason_of, text_of
from .lease import LeaseReader
from .sink_loop import SinkLoop
from .source_loop import SourceLoop
from .task_control import TaskControl
from .task_spec import FENCED_EXIT, TaskSpec

__all__ = ["main", "own_modules"]

log = logging.getLogger(__name__)

METRICS_EVERY_S = 0.5
REOPEN_FIRST_S = 0.5
REOPEN_MOST_S = 15.0

Tell = Callable[[str, dict[str, Any]], None]


def main() -> int:
    channel = ChildChannel()
    spec = TaskSpec.of(channel.assignment)
    redactor = Redactor()
    logs.configure(
        spec.connector,
        spec.task,
        as_json=spec.settings.get("log.format", "text") == "json",
        level=spec.settings.get("log.level", "INFO"),
        redact=redactor.redact,
    )

    spares = spec.settings.get("task.spare.processes", "0") != "0"

    def tell(event: str, fields: dict[str, Any]) -> None:
        nonlocal spares
        channel.tell(event, {name: _hidden(value, redactor) for name, value in fields.items()})
        if spares and fields.get("state") == "RUNNING":
            spares = False
            channel.tell("imported", {"modules": own_modules()})

    control = TaskControl(tell, spec.paused, _lease(spec))

    def on_command(name: str, fields: dict[str, Any]) -> None:
        if name == "stop":
            control.stopping.set()
        elif name in ("pause", "resume"):
            control.paused = name == "pause"

    channel.listen(on_command, control.stopping.set)
    signal.signal(signal.SIGTERM, lambda *_: control.stopping.set())
    metrics = TaskMetrics()
    ended = threading.Event()
    reporter = threading.Thread(target=_report, args=(tell, metrics, ended), name="metrics", daemon=True)
    reporter.start()
    try:
        _run(spec, control, metrics, redactor, tell)
        return 0
    except Fenced as error:
        log.warning("this task was taken over by another process and ends: %s", error)
        _tell_error(tell, error)
        return FENCED_EXIT
    except (Exception, SystemExit) as error:  # the end of the line: whatever it is becomes the task's trace
        known = isinstance(error, HeadwaterError)
        log.error("the task fails: %s: %s", type(error).__name__, text_of(error), exc_info=not known)
        _tell_error(tell, error)
        return 1
    finally:
        ended.set()
        reporter.join(timeout=5)
        tell("metrics", metrics.as_dict())


def own_modules() -> list[str]:
    """Those of Headwater that this process has imported; other threads may import more meanwhile."""
    return [name for name in list(sys.modules) if name.startswith("headwater.")]


def _lease(spec: TaskSpec) -> LeaseReader | None:
    """Ends the process where the worker that started it is gone already."""
    try:
        return LeaseReader(spec.lease, spec.incarnation) if spec.lease else None
    except OSError as error:
        log.warning("the worker that has started this task is gone, and so ends the task: %s", error)
        sys.exit(PARENT_GONE_EXIT)


def _run(spec: TaskSpec, control: TaskControl, metrics: TaskMetrics, redactor: Redactor, tell: Tell) -> None:
    """The task's life, begun again as long as it is the log that cannot be reached."""
    settings = expand(spec.settings)
    redactor.add(secret_values(spec.settings, settings))
    raw = expand(spec.raw)
    redactor.add(secret_values(spec.raw, raw))  # before any plugin sees them
    backoff = Backoff(REOPEN_FIRST_S, REOPEN_MOST_S)
    while not control.stopping.is_set():
        plan = build_plan(raw, settings, task_config=spec.task_config)
        redactor.add(secret_values(spec.raw, raw, plan.secret_options()))
        tell("started", _started(plan, settings))
        try:
            with closing(open_log(settings, Path(spec.data_dir), raw)) as the_log:
                if plan.kind == "source":
                    SourceLoop(the_log, plan, spec, control, metrics, redactor.redact).run()
                else:
                    SinkLoop(the_log, plan, spec, control, metrics, redactor.redact).run()
            return
        except Retriable as error:
            delay = error.after_s if error.after_s is not None else backoff.next()
            metrics.retries += 1
            metrics.failed(str(error))
            log.warning("the task cannot begin, trying again in %.1f s: %s", delay, error)
            control.report_state("RESTARTING", str(error))
            control.rest(delay, metrics.tick)
    control.report_state("STOPPED")


def _started(plan: ConnectorPlan, settings: Mapping[str, str]) -> dict[str, Any]:
    """What the supervisor has to know of the connector's config, and what it shows of its plugin."""
    own = plan.values["task.memory.max.bytes"]
    plugin = type(plan.connector)
    return {
        "kind": plan.kind,
        "class": plugin.__qualname__,
        "version": plugin.version,
        "restart": asdict(plan.restart),
        "memory_max_bytes": int(settings.get("task.memory.max.bytes", "0")) if own is None else own,
    }


def _report(tell: Tell, metrics: TaskMetrics, ended: threading.Event) -> None:
    while not ended.wait(METRICS_EVERY_S):
        tell("metrics", metrics.as_dict())


def _tell_error(tell: Tell, error: BaseException) -> None:
    trace = "".join(traceback.format_exception(error))
    tell(
        "error",
        {
            "kind": type(error).__name__,
            "message": reason_of(error),
            "trace": trace,
            "permanent": isinstance(error, ConfigError),
            "fatal": isinstance(error, Fatal) and not isinstance(error, Fenced),
        },
    )


def _hidden(value: Any, redactor: Redactor) -> Any:
    return redactor.redact(value) if isinstance(value, str) else value


if __name__ == "__main__":
    sys.exit(main())
