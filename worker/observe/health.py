"""Does a task move? Judged by progress, not by processes being up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Stall"]


@dataclass(frozen=True, slots=True)
class Stall:
    """When a task counts as stalled: seconds without a tick of its loop, or without a record while there is work."""

    after_s: float = 60.0

    def reason(self, metrics: Mapping[str, Any], work: bool, now_ms: int, started_ms: int = 0) -> str | None:
        """Why the task with these counters is stalled, or None. `work`: is there something that it should do?
        `started_ms`: when its process was started; before it has come so far as to count, this is its last tick."""
        limit_ms = self.after_s * 1000
        tick = int(metrics.get("last_tick_ms", 0)) or started_ms
        if tick and now_ms - tick > limit_ms:
            return f"one call of the connector has not returned for {(now_ms - tick) // 1000} s"
        active = int(metrics.get("last_activity_ms", 0))
        if work and active and now_ms - active > limit_ms:
            return f"nothing was done for {(now_ms - active) // 1000} s although there is work"
        return None
