"""What a process takes of the machine, as the kernel counts it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

__all__ = ["ProcessUse", "process_use"]


class ProcessUse(NamedTuple):
    """`memory_bytes`: resident set. `cpu_s`: user and system time of all its threads since it started."""

    memory_bytes: int
    cpu_s: float


def process_use(pid: int) -> ProcessUse | None:
    """None where there is no such process, or no /proc. Source: proc_pid_stat(5), fields 14, 15 and 24."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name before may hold anything
    ticks = int(fields[11]) + int(fields[12])
    return ProcessUse(int(fields[21]) * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK"))
