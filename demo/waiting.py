"""Progress on stderr while something long happens: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

PLAIN_EVERY_S = 3.0


def wait_for(
    title: str, measure: Callable[[], tuple[int, int]], done: Callable[[], bool], timeout_s: float = 180
) -> float:
    """Poll `measure` (so many of so many) until `done`; seconds taken.

    Raises `TimeoutError` once nothing has moved for `timeout_s`: a slow machine may take as long as it needs.
    """
    console = Console(file=sys.stderr)
    start = last_line = moved = time.monotonic()
    before = -1
    columns = (
        TextColumn("   {task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(title, total=None, speed="")
        while True:
            amount, total = measure()
            now = time.monotonic()
            rate = amount / (now - start) if now > start else 0.0
            left = f", about {(total - amount) / rate:.0f} s left" if rate and total > amount else ""
            bars.update(task, completed=amount, total=total, speed=f"{rate:,.0f} rows/s{left}")
            if not console.is_terminal and now - last_line >= PLAIN_EVERY_S:
                last_line = now
                print(f"   {title}: {amount:,} of {total:,} rows, {rate:,.0f} rows/s{left}", file=sys.stderr)
            if amount >= total and done():
                return now - start
            if amount != before:
                before, moved = amount, now
            if now - moved > timeout_s:
                raise TimeoutError(f"{title}: nothing more came for {timeout_s:.0f} s ({amount:,} of {total:,} rows)")
            time.sleep(0.3)
