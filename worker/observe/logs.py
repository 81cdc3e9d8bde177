"""Log lines for people or for machines: each names its connector and task, and none shows a secret."""

from __future__ import annotations

import faulthandler
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

__all__ = ["JsonFormatter", "ReadableFormatter", "configure", "pass_on"]

Redact = Callable[[str], str]

_STANDARD_ERROR = 2
"""Its descriptor: `sys.stderr` may be something else."""


class _Formatter(logging.Formatter):
    """Adds who speaks and takes secrets out of the finished text, tracebacks included."""

    def __init__(self, connector: str | None, task: int | None, redact: Redact) -> None:
        super().__init__()
        self._connector = connector
        self._task = task
        self._redact = redact

    def speaker(self, record: logging.LogRecord) -> tuple[str | None, int | None]:
        """The connector and task of this line: the line's own (`extra=`), else the process's."""
        return getattr(record, "connector", self._connector), getattr(record, "task", self._task)

    def trace(self, record: logging.LogRecord) -> str:
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        return record.exc_text or ""


class ReadableFormatter(_Formatter):
    """`2025-06-01T12:00:00.123Z INFO  [shop task 0] source_loop: message`."""

    def format(self, record: logging.LogRecord) -> str:
        connector, task = self.speaker(record)
        who = f"[{connector}] " if connector else ""
        if connector and task is not None:
            who = f"[{connector} task {task}] "
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        room = record.name.rsplit(".", 1)[-1]
        text = f"{at}.{int(record.msecs):03d}Z {record.levelname:<7} {who}{room}: {record.getMessage()}"
        if trace := self.trace(record):
            text = f"{text}\n{trace}"
        return self._redact(text)


class JsonFormatter(_Formatter):
    """One JSON object a line: timestamp, level, logger, message, and connector, task, trace where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        connector, task = self.speaker(record)
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "timestamp": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": self._redact(record.getMessage()),
        }
        if connector:
            line["connector"] = connector
        if task is not None:
            line["task"] = task
        if trace := self.trace(record):
            line["trace"] = self._redact(trace)
        return json.dumps(line, ensure_ascii=False)


def configure(
    connector: str | None = None,
    task: int | None = None,
    *,
    as_json: bool = False,
    level: str = "INFO",
    redact: Redact = lambda text: text,
    stream: TextIO | None = None,
) -> None:
    """Send this process's log lines to `stream` (standard error), replacing what was configured before.

    Exceptions that nobody catches, in any thread, become log lines too: so they are redacted like all others. SIGUSR1
    writes the stacks of all threads to standard error: names of files and functions with lines, no values.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter((JsonFormatter if as_json else ReadableFormatter)(connector, task, redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    faulthandler.register(signal.SIGUSR1, file=_STANDARD_ERROR)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def pass_on(line: str, connector: str | None, task: int | None) -> None:
    """Write a line that is no log line of this process's own. One of a child's was formatted there; what comes from
    elsewhere (the `print` of a plugin, a crash in native code, a command's message) is made JSON where lines are."""
    for handler in logging.getLogger().handlers:
        formatter = handler.formatter
        if isinstance(formatter, JsonFormatter) and not line.strip():
            return
        if isinstance(formatter, JsonFormatter) and not line.startswith("{"):
            said = {"name": "stderr", "levelname": "INFO", "levelno": logging.INFO, "msg": line.rstrip("\n")}
            line = formatter.format(logging.makeLogRecord({**said, "connector": connector, "task": task})) + "\n"
    try:
        sys.stderr.write(line)
        sys.stderr.flush()
    except (OSError, ValueError):  # nobody reads our own standard error: the child must not block on its pipe for that
        return


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger(__name__).critical("an error that nobody handled", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
