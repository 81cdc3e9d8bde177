"""What a piece of code has left behind in this process: threads, open files, sockets, child processes. For Linux."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["left_by"]

PATIENCE_S = 30.0
"""How long things may take that end by themselves."""


def left_by(work: Callable[[], None]) -> list[str]:
    """`work` is done twice: what the first time leaves, such as modules, pools of libraries and caches, stays for all
    that comes after. What the second one adds is left behind."""
    work()
    gc.collect()
    before = _held()
    work()
    end = time.monotonic() + PATIENCE_S
    while True:
        gc.collect()
        left = sorted(_held() - before)
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)


def _held() -> set[str]:
    threads = {f"thread {thread.name} ({thread.ident})" for thread in threading.enumerate()}
    return threads | _files() | _children()


def _files() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the listing's own
        if not target.startswith("/proc/"):
            found.add(f"file {name}: {target}")
    return found


def _children() -> set[str]:
    found: set[str] = set()
    for children in Path("/proc/self/task").glob("*/children"):
        try:
            found |= {f"process {pid}" for pid in children.read_text().split()}
        except OSError:
            continue  # the thread has just ended
    return found
