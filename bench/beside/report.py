"""The results: one table for people, one JSON object for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .measure import Timing

HEADWATER = "Headwater"
RAW = "raw"


@dataclass
class Results:
    """`timings`: by (path, who), in the order of measuring. `limits`: the raw limits that each path goes through."""

    limits: Mapping[str, Sequence[str]]
    timings: dict[tuple[str, str], Timing] = field(default_factory=dict)

    def add(self, path: str, who: str, timing: Timing) -> None:
        self.timings[path, who] = timing

    def limit_of(self, path: str) -> tuple[str, Timing] | None:
        """The slowest of them."""
        found = [(name, self.timings[name, RAW]) for name in self.limits.get(path, ()) if (name, RAW) in self.timings]
        return min(found, key=lambda item: item[1].rows_per_s, default=None)

    def as_json(self) -> list[dict[str, Any]]:
        rows = []
        for (path, who), timing in self.timings.items():
            row: dict[str, Any] = {
                "path": path,
                "who": who,
                "rows": timing.rows,
                "wall_s": round(timing.wall_s, 3),
                "start_s": None if timing.start_s is None else round(timing.start_s, 3),
                "cpu_s": round(timing.cpu_s, 2),
                "rows_per_s": round(timing.rows_per_s),
                "rows_per_cpu_s": round(timing.rows_per_cpu_s),
                "servers_cpu_s": {name: round(cpu, 2) for name, cpu in timing.servers_cpu_s.items()},
                "notes": dict(timing.notes),
            }
            limit = self.limit_of(path)
            if limit is not None and who != RAW:
                row["raw_limit"] = limit[0]
                row["to_raw_limit"] = round(timing.rows_per_s / limit[1].rows_per_s, 3)
            row["headwater_to_this"] = self._headwater_to(path, who)
            rows.append(row)
        return rows

    def _headwater_to(self, path: str, who: str) -> dict[str, float] | None:
        """Headwater's rates as multiples of this one's."""
        ours, theirs = self.timings.get((path, HEADWATER)), self.timings[path, who]
        if ours is None or who in (HEADWATER, RAW):
            return None
        return {
            "rows_per_s": round(ours.rows_per_s / theirs.rows_per_s, 2),
            "rows_per_cpu_s": round(ours.rows_per_cpu_s / theirs.rows_per_cpu_s, 2),
        }

    def text(self) -> str:
        """One line a measurement."""
        heads = ["path", "who", "rows", "rows/s", "start s", "rows/CPU-s", "broker CPU s", "Postgres CPU s"]
        heads += ["of the raw limit", "Headwater is, by s", "by CPU-s"]
        lines = [heads, *map(_line, self.as_json())]
        widths = [max(len(line[n]) for line in lines) for n in range(len(heads))]
        left = {0, 1, 8}
        return "\n".join(
            "  ".join(
                cell.ljust(width) if n in left else cell.rjust(width)
                for n, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )


def _line(row: Mapping[str, Any]) -> list[str]:
    servers, ratio, start_s = row["servers_cpu_s"], row["headwater_to_this"], row["start_s"]
    return [
        row["path"],
        row["who"],
        f"{row['rows']:,}",
        f"{row['rows_per_s']:,}",
        "" if start_s is None else f"{start_s:.1f}",
        f"{row['rows_per_cpu_s']:,}",
        _seconds(servers, "broker"),
        _seconds(servers, "PostgreSQL"),
        f"{row['to_raw_limit']:.2f} {row['raw_limit']}" if "to_raw_limit" in row else "",
        f"{ratio['rows_per_s']:.2f}x" if ratio else "",
        f"{ratio['rows_per_cpu_s']:.2f}x" if ratio else "",
    ]


def _seconds(servers: Mapping[str, float], name: str) -> str:
    return f"{servers[name]:.1f}" if name in servers else ""
