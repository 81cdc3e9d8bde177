"""A child process with a line to it: a task, a call of a plugin, a rebuild's job.

Configs travel over standard input, never as arguments or environment, where every user of the machine could read them.
The process leads a session of its own: Ctrl-C does not reach it, and its whole group can be ended.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import IO, Any

import orjson

from headwater.worker.observe import logs

__all__ = ["Child", "spawn"]

log = logging.getLogger(__name__)

_TAIL_LINES = 40
_LONGEST_LINE = 16 * 1024
"""Bytes. What a plugin writes without a line's end, a progress bar say, is passed on in pieces and never gathered."""

OnEvent = Callable[[dict[str, Any]], None]
OnExit = Callable[[int, str], None]


def spawn(module: str) -> subprocess.Popen[bytes]:
    """A process that waits for its assignment. Raises `OSError` where the machine has no room for one."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


class Child:
    """One running process. Start it on a thread that lives as long as it does: on Linux it dies with that thread.

    `on_event(fields)` is called for each event, then `on_exit(status, tail)` once; both on a thread of the child's.
    `status` is negative for a signal; `tail` is the end of what it wrote to standard error. Making one raises `OSError`
    where the machine has no room for a process, `RuntimeError` for a thread; then nothing runs. `ready`: a process of
    `module` that waits already.
    """

    def __init__(
        self,
        module: str,
        assignment: Mapping[str, Any],
        on_event: OnEvent,
        on_exit: OnExit,
        ready: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self._on_event = on_event
        self._on_exit = on_exit
        self._speaker = assignment.get("connector") or assignment.get("view"), assignment.get("task")
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._process = ready or spawn(module)
        self.pid = self._process.pid
        self._sending = threading.Lock()
        self._early: list[bytes] | None = []
        first = orjson.dumps({**assignment, "parent": os.getpid()}, option=orjson.OPT_APPEND_NEWLINE)
        # On threads: a child that does not read must not hold up its supervisor.
        self._errors = threading.Thread(target=self._copy_errors, name=f"errors-{self.pid}", daemon=True)
        self._follower = threading.Thread(target=self._follow, args=(first,), name=f"child-{self.pid}", daemon=True)
        watcher = threading.Thread(target=self._watch, name=f"watch-{self.pid}", daemon=True)
        try:
            self._errors.start()
            watcher.start()
            self._follower.start()
        except RuntimeError:
            self.kill()
            self._process.wait()
            raise

    @property
    def alive(self) -> bool:
        return self._follower.is_alive()

    def send(self, command: str, **fields: Any) -> None:
        """Ask something of the child. One that has ended already hears nothing."""
        self._write(orjson.dumps({"command": command, **fields}, option=orjson.OPT_APPEND_NEWLINE))

    def kill(self, sig: int = signal.SIGKILL) -> None:
        """Signal the process and all that it started."""
        try:
            os.killpg(self.pid, sig)
        except ProcessLookupError:
            return

    def wait(self, timeout_s: float) -> bool:
        """Whether the child has ended and `on_exit` was called."""
        self._follower.join(timeout_s)
        return not self._follower.is_alive()

    def _write(self, line: bytes) -> None:
        with self._sending:
            if self._early is not None:  # the assignment comes first
                self._early.append(line)
            else:
                self._put(line)

    def _begin(self, first: bytes) -> None:
        """The assignment, without the lock: it may be larger than the pipe, and the child takes its time to read."""
        self._put(first)
        with self._sending:
            early, self._early = self._early or [], None
            for line in early:
                self._put(line)

    def _put(self, line: bytes) -> None:
        stream = self._process.stdin
        assert stream is not None
        try:
            stream.write(line)
            stream.flush()
        except (BrokenPipeError, ValueError):
            return

    def _follow(self, first: bytes) -> None:
        self._begin(first)
        stream = self._process.stdout
        assert stream is not None
        for line in stream:
            try:
                event = orjson.loads(line)
            except orjson.JSONDecodeError:
                log.warning("process %d sent a line that is no event: %r", self.pid, line[:200])
                continue
            self._on_event(event)
        status = self._process.wait()
        self.kill()  # what the process may have left running, and closed its output
        self._errors.join(timeout=5)
        for pipe in (self._process.stdin, stream):
            _close(pipe)
        self._on_exit(status, "\n".join(self._tail))

    def _watch(self) -> None:
        """What a plugin has forked has the line open as well: without its end `_follow` would never see one."""
        self._process.wait()
        self.kill()

    def _copy_errors(self) -> None:
        """Pass its log lines on, and remember the last ones for the message about its end. A daemon that a plugin has
        left behind may go on writing for longer than the process lives."""
        stream = self._process.stderr
        assert stream is not None
        with stream:
            while line := stream.readline(_LONGEST_LINE):
                text = line.decode(errors="replace")
                self._tail.append(text.rstrip("\n"))
                logs.pass_on(text, *self._speaker)


def _close(pipe: IO[bytes] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except BrokenPipeError:
        return
