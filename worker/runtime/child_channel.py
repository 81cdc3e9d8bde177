"""The child's end of the line to its supervisor: assignment and commands in, events out, all JSON lines.

The line uses the standard input and output that the process was given. Both are moved out of the way first, so that a
stray `print` of a plugin lands in the log lines on standard error and cannot break the line.
"""

from __future__ import annotations

import ctypes
import faulthandler
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson

from headwater.worker.observe.log_levels import set_levels

__all__ = ["ChildChannel"]

_PR_SET_PDEATHSIG = 1
_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
_OOM_SCORE = 300
LOG_LEVELS = "log_levels"
"""Part of an assignment, and a command that every process obeys."""
PARENT_GONE_EXIT = 4
PARENT_GONE_GRACE_S = 5.0


class ChildChannel:
    """Made first thing in a child process. `assignment` is what the supervisor sent."""

    def __init__(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the supervisor's to handle
        faulthandler.enable()
        self._in, self._out = _take_over(sys.stdin.fileno(), 0), _take_over(sys.stdout.fileno(), 1)
        self._writing = threading.Lock()
        _go_first()
        self.assignment: dict[str, Any] = self._assignment()
        _die_with(int(self.assignment.get("parent", os.getppid())))

    def _assignment(self) -> dict[str, Any]:
        """The first line, or the second: a spare is told first what to import meanwhile."""
        line = self._in.readline()
        if line.startswith(b'{"ready":'):
            with _named("headwater-spare"):
                for module in orjson.loads(line)["ready"]:
                    importlib.import_module(module)
                line = self._in.readline()
        if not line:
            os._exit(PARENT_GONE_EXIT)
        assignment: dict[str, Any] = orjson.loads(line)
        return assignment

    def tell(self, event: str, fields: dict[str, Any]) -> None:
        """Report up; any thread may call it. A supervisor that is gone hears nothing."""
        line = orjson.dumps(
            {"event": event, **fields}, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
        )
        try:
            with self._writing:
                self._out.write(line)
                self._out.flush()
        except (BrokenPipeError, ValueError):
            return

    def listen(self, on_command: Callable[[str, dict[str, Any]], None], on_gone: Callable[[], None]) -> None:
        """Call `on_command(name, fields)` for each command from a thread of its own. Log lines were configured before.

        When the supervisor is gone, `on_gone` asks for a graceful end; a process that is still there some seconds
        later is ended without one, because nobody would count it among the living any more.
        """

        set_levels(self.assignment.get(LOG_LEVELS, {}))

        def follow() -> None:
            for line in self._in:
                fields = orjson.loads(line)
                command = str(fields.pop("command", ""))
                if command == LOG_LEVELS:
                    set_levels(fields["levels"])
                else:
                    on_command(command, fields)
            on_gone()
            time.sleep(PARENT_GONE_GRACE_S)
            os._exit(PARENT_GONE_EXIT)

        threading.Thread(target=follow, name="commands", daemon=True).start()


def _take_over(descriptor: int, number: int) -> IO[bytes]:
    """A private copy of standard input or output; in its place comes nothing, or standard error."""
    private = os.dup(descriptor)  # not inheritable: a plugin's own child processes do not hold the line open
    if number == 0:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        return os.fdopen(private, "rb")
    os.dup2(2, 1)
    return os.fdopen(private, "wb")


def _die_with(parent: int) -> None:
    """Linux: the kernel kills this process when the supervisor dies. Elsewhere the closed standard input tells."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the call
        os._exit(PARENT_GONE_EXIT)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Linux: what `ps -e` and `top` call this process meanwhile; 15 characters at most."""
    shown = Path("/proc/self/comm")
    try:
        before = shown.read_text()
        shown.write_text(name)
    except OSError:
        yield
        return
    yield
    shown.write_text(before.strip())


def _go_first() -> None:
    """Linux: where the machine's memory runs out, this process is taken before its supervisor, which restarts it."""
    try:
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE))
    except OSError:  # no such kernel, or no such right: then the kernel's own choice stands
        return
