"""The limit to a task's memory: who exceeds it is stopped in good order and started again.

Judged by the resident set, from outside, every few seconds. A hard limit set in the process (RLIMIT_AS) counts
addresses, not memory: Arrow, librdkafka and thread stacks reserve gigabytes that they never touch, so it would end
healthy tasks, and always in the middle of something. One that is real belongs to the machine (a container's or
systemd's); tasks ask the kernel to take them rather than their worker then, see `child_channel`.
"""

from __future__ import annotations

from headwater.worker.observe.process_use import ProcessUse

__all__ = ["CALM_S", "excess", "size"]

CALM_S = 600.0
"""A task that ran so long before it came to the limit begins its count of failures anew."""


def excess(use: ProcessUse | None, most_bytes: int) -> str:
    """What to tell the user where a task uses more than `most_bytes` (0: no limit), else an empty text."""
    if use is None or most_bytes <= 0 or use.memory_bytes <= most_bytes:
        return ""
    return (
        f"its process used {size(use.memory_bytes)} of memory, more than the {size(most_bytes)} that "
        "task.memory.max.bytes allows. It was stopped, so that what it held is written, and is started again. Raise "
        "the limit, or give it less to hold at once (smaller batches, more tasks)"
    )


def size(count: float) -> str:
    """`512 B`, `31.4 MB`, `2.0 GB`."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
