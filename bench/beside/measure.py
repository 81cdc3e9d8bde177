"""Wall time and CPU time of whole process trees, while something is watched from outside until it is done."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
LOOK_EVERY_S = 0.2
SETTLED_S = 2.0


@dataclass(frozen=True)
class Timing:
    """`start_s`: until the first row was to be seen; part of `wall_s`; None where that cannot be told. `cpu_s`: of who
    did the work, with all its processes. `servers_cpu_s`: of the servers meanwhile, by name."""

    rows: int
    wall_s: float
    cpu_s: float
    start_s: float | None = None
    servers_cpu_s: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, object] = field(default_factory=dict)

    @property
    def rows_per_s(self) -> float:
        return self.rows / self.wall_s

    @property
    def rows_per_cpu_s(self) -> float:
        return self.rows / max(self.cpu_s, 1 / TICKS_A_SECOND)


def tree_cpu_s(roots: Iterable[int]) -> dict[int, float]:
    """CPU seconds, user and system, of each of these processes with its descendants and those that have ended.

    No root is below another one. One look at all processes: it costs a few milliseconds.
    /proc/PID/stat, proc(5): a parent's cutime and cstime hold the times of children that it has waited for, and theirs.
    """
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has just ended; its parent has its times
        pid = int(stat.parent.name)
        parents[pid] = int(fields[1])
        ticks[pid] = sum(map(int, fields[11:15]))
    found = dict.fromkeys(roots, 0)
    for pid, used in ticks.items():
        root = pid
        while root > 1 and root not in found:
            root = parents.get(root, 0)
        if root in found:
            found[root] += used
    return {root: used / TICKS_A_SECOND for root, used in found.items()}


@dataclass(frozen=True)
class Watched:
    """Processes by what they are: `workers` do the work, `servers` by name serve it."""

    workers: Sequence[int]
    servers: Mapping[str, int]

    def cpu(self) -> tuple[float, dict[str, float]]:
        used = tree_cpu_s([*self.workers, *self.servers.values()])
        return sum(used[pid] for pid in self.workers), {name: used[pid] for name, pid in self.servers.items()}


def until_done(
    watched: Watched,
    start: Callable[[], object],
    progress: Callable[[], int],
    done: Callable[[int], bool],
    patience_s: float,
    look_every_s: float = LOOK_EVERY_S,
) -> Timing:
    """From before `start` to the first look that saw the final `progress`, a number that only grows from 0.

    `done` is asked, with that number, once it has not moved for a while: it may take its time. `rows` is 0 here.
    Raises `TimeoutError`.
    """
    began_cpu, began_servers = watched.cpu()
    began = time.perf_counter()
    start()
    first: float | None = None
    last, last_at = 0, 0.0
    cpu, servers = began_cpu, began_servers
    while True:
        now = time.perf_counter() - began
        found = progress()
        if found > last:
            last, last_at = found, now
            first = now if first is None else first
            cpu, servers = watched.cpu()
        elif last and now - last_at > SETTLED_S:
            if done(last):
                break
            last_at = time.perf_counter() - began
        if now > patience_s:
            raise TimeoutError(f"not done within {patience_s:.0f} s; progress: {last:,}")
        time.sleep(look_every_s)
    meanwhile = {name: servers[name] - began_servers[name] for name in servers}
    return Timing(0, last_at, cpu - began_cpu, first, meanwhile)


def of_command(command: Sequence[str | Path], rows: int, servers: Mapping[str, int]) -> Timing:
    """A command from its start to its end. Raises `RuntimeError` where it fails."""
    watched = Watched((), servers)
    _, began_servers = watched.cpu()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    _, servers_cpu = watched.cpu()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timing(rows, wall, cpu, None, {name: servers_cpu[name] - began_servers[name] for name in servers_cpu})


def of_call(work: Callable[[], object], rows: int, servers: Mapping[str, int]) -> Timing:
    """A call in this process, with all of its threads."""
    watched = Watched((), servers)
    _, began_servers = watched.cpu()
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    _, servers_cpu = watched.cpu()
    return Timing(rows, wall, cpu, None, {name: servers_cpu[name] - began_servers[name] for name in servers_cpu})
