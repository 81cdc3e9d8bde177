"""A server process that never outlives the Python process that started it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .cache import SERVER_USER, is_root

_PR_SET_PDEATHSIG = 1
_parent = ThreadPoolExecutor(1, "servers")
"""The kernel takes the thread that starts a process for its parent: this one lives as long as this process."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _die_with_parent(orphan: signal.Signals) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, orphan)


def spawn(
    command: Sequence[str | Path],
    log: Path,
    as_server_user: bool = True,
    env: Mapping[str, str] | None = None,
    orphan: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start in a session of its own, output appended to `log`; root gives its rights away first.

    `orphan`: what the process gets when this one dies. A Java machine answers SIGQUIT with a list of its threads and
    lives on; PostgreSQL takes its children along at SIGQUIT alone.
    """
    drop = {"user": SERVER_USER, "group": "nogroup", "extra_groups": []} if as_server_user and is_root() else {}
    with log.open("ab") as output:
        started: Future[subprocess.Popen[bytes]] = _parent.submit(
            subprocess.Popen,
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: _die_with_parent(orphan),  # one prctl, no locks
            env={**os.environ, **(env or {})},
            cwd="/",
            **drop,
        )
        return started.result()


def children_of(pid: int) -> list[int]:
    """Its child processes that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue  # it has just ended
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def name_of(pid: int) -> str:
    """As the kernel shows it, at most 15 bytes; empty where it has just ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def peak_bytes() -> int:
    """The most memory that this process has had. `getrusage` counts the process that started it as well."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024


def kill_one(pid: int) -> None:
    """SIGKILL; nothing where it has just ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_group(pid: int) -> None:
    """SIGKILL to it and what it has started; nothing where it has just ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the process and its children; PostgreSQL's have sessions of their own. Returns when all are gone."""
    os.kill(process.pid, signal.SIGSTOP)  # so that it starts no further ones
    children = children_of(process.pid)
    for pid in [*children, process.pid]:
        kill_one(pid)
    process.wait()
    deadline = time.monotonic() + 240
    while any(map(_lives, children)) and time.monotonic() < deadline:
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    """Not even waiting to be reaped: a process that does holds nothing any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
