"""A job's process for the tests: runs the view's job, and kills itself at the write, or beside the call, it is told.

`python -m tests.unit.rebuild.job_runner DATA VIEW [write N before|after] [call NAME before|after]`
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from headwater.worker.api import Fenced
from headwater.worker.log import open_log
from headwater.worker.rebuild.stages import run
from headwater.worker.rebuild.views_log import ViewWriter
from headwater.worker.rebuild.work import Work

from .scene import SETTINGS, plugins


class Silent:
    """Tasks that run on threads of the test: nobody here knows more of them."""

    def failure(self, view: str, generation: int) -> str | None:
        return None

    def stopped(self, view: str, generation: int) -> bool:
        return True


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_write(number: int, when: str) -> None:
    """Count the transactions of the view's writer and die before or after one of them."""
    send, count = ViewWriter._send, [0]

    def counted(self: ViewWriter, messages: Any) -> None:
        count[0] += 1
        if count[0] == number and when == "before":
            die()
        send(self, messages)
        if count[0] == number and when == "after":
            die()

    ViewWriter._send = counted  # type: ignore[method-assign]


def die_at_call(name: str, when: str) -> None:
    """Die beside the first call of a method of the view's generations."""
    from sqlite_view import SqliteGenerations

    method = getattr(SqliteGenerations, name)

    def deadly(self: Any, *args: Any) -> Any:
        if when == "before":
            die()
        result = method(self, *args)
        die()
        return result

    setattr(SqliteGenerations, name, deadly)


def main() -> int:
    data, view, *crash = sys.argv[1:]
    plugins.install()
    if crash and crash[0] == "write":
        die_at_write(int(crash[1]), crash[2])
    elif crash:
        die_at_call(crash[1], crash[2])
    log = open_log(SETTINGS, Path(data))
    work = Work(view, log, SETTINGS, Silent(), lambda fields: None)
    try:
        run(work)
        return 0
    except Fenced:
        return 3
    finally:
        work.close()
        log.close()


if __name__ == "__main__":
    sys.exit(main())
