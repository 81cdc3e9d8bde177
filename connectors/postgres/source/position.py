"""Positions as they lie on the log: one for the stream, one for the snapshot of each table. Format 1.

Stream, under {"server": prefix}:
    {"format": 1, "epoch": 0, "system": "7392…", "timeline": 1, "commit_lsn": 123, "event": 0, "last_commit_lsn": 120}
    Every transaction that commits before `commit_lsn` is on the log, and of the one that commits there, the first
    `event` messages.
Table, under {"server": prefix, "snapshot": "schema.table"}:
    {"format": 1, "state": "running", "from": V0, "version": V1, "key": ["id"], "types": ["int4"], "after": ["42"],
     "rows": 1000, "ghosts": false}
    Rows up to and including the key `after` (None: none yet) are on the log; the newest were read at version V1, the
    oldest at V0. {"state": "complete"}: all of them are. {"state": "streamed"}: no rows yet, but changes since V0.
    {"state": "left"}: not captured any more. `ghosts`: the topic may hold rows that were deleted while nobody looked,
    so that it cannot be called complete.

Upgrade rule: a reader refuses a higher format, and reads every lower one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from headwater.worker.api import Fatal, Partition, Position

from .lsn import format_lsn

FORMAT: Final = 1
LSN_BITS: Final = 53
MAX_EPOCH: Final = 1023


def version_of(epoch: int, lsn: int) -> int:
    """63 bits: 10 of the epoch, 53 of the commit LSN. Raises `Fatal` where one does not fit."""
    if epoch > MAX_EPOCH or lsn >> LSN_BITS:
        raise Fatal(
            f"epoch {epoch} or WAL position {format_lsn(lsn)} is too large for a version: nothing was written. Start "
            "this connector anew under another topic.prefix"
        )
    return (epoch << LSN_BITS) | lsn


@dataclass(frozen=True, slots=True)
class StreamPosition:
    epoch: int
    system: str
    timeline: int
    commit_lsn: int
    event: int = 0
    last_commit_lsn: int | None = None

    @property
    def version(self) -> int:
        """Events of lower versions are all on the log."""
        return version_of(self.epoch, self.commit_lsn)

    def json(self) -> Position:
        return {
            "format": FORMAT,
            "epoch": self.epoch,
            "system": self.system,
            "timeline": self.timeline,
            "commit_lsn": self.commit_lsn,
            "event": self.event,
            "last_commit_lsn": self.last_commit_lsn,
        }


@dataclass(frozen=True, slots=True)
class TablePosition:
    """`first`, `version`: the oldest and the newest point at which rows on the log were read, as versions.

    What the stream tells of this table below `first` is in the rows already. `after`: key of the last row that is on
    the log, as text by column.
    """

    state: str
    first: int
    version: int
    key: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    after: tuple[str, ...] | None = None
    rows: int = 0
    ghosts: bool = False

    @property
    def complete(self) -> bool:
        return self.state == "complete"

    @property
    def untouched(self) -> bool:
        """Is nothing of this table on the log?"""
        return self.state == "running" and not self.rows and not self.mixed

    @property
    def mixed(self) -> bool:
        """Were its rows read at more than one point? The topic is then whole once the stream has passed the newest."""
        return self.first < self.version

    def json(self) -> Position:
        position: dict[str, Any] = {"format": FORMAT, "state": self.state, "from": self.first, "version": self.version}
        if self.key:
            position |= {"key": list(self.key), "types": list(self.types)}
        if self.after is not None:
            position["after"] = list(self.after)
        return position | {"rows": self.rows, "ghosts": self.ghosts}


@dataclass(slots=True)
class Stored:
    """All positions of one connector. `tables` by `schema.table`."""

    stream: StreamPosition | None = None
    tables: dict[str, TablePosition] = field(default_factory=dict)


def stream_partition(prefix: str) -> Partition:
    return {"server": prefix}


def table_partition(prefix: str, table: str) -> Partition:
    return {"server": prefix, "snapshot": table}


def read_positions(prefix: str, positions: Iterable[tuple[Partition, Position]]) -> Stored:
    """Positions of another `topic.prefix` are left alone. Raises `Fatal` for one that cannot be read."""
    stored = Stored()
    for partition, position in positions:
        if partition.get("server") != prefix:
            continue
        try:
            if table := partition.get("snapshot"):
                stored.tables[str(table)] = table_position(position)
            else:
                stored.stream = stream_position(position)
        except (KeyError, TypeError, ValueError) as error:
            raise Fatal(
                f"the stored position {dict(position)} of {dict(partition)} cannot be read: {error!r}. Put it right or "
                "delete this connector's offsets (a new snapshot is then taken)"
            ) from None
    return stored


def stream_position(position: Position) -> StreamPosition:
    _check_format(position)
    last = position.get("last_commit_lsn")
    return StreamPosition(
        int(position["epoch"]), str(position["system"]), int(position["timeline"]), int(position["commit_lsn"]),
        int(position.get("event", 0)), None if last is None else int(last),
    )  # fmt: skip


def table_position(position: Position) -> TablePosition:
    _check_format(position)
    if position["state"] not in ("streamed", "running", "complete", "left"):
        raise ValueError(f"unknown state {position['state']!r}")
    after = position.get("after")
    return TablePosition(
        str(position["state"]), int(position["from"]), int(position["version"]), tuple(position.get("key", ())),
        tuple(position.get("types", ())), None if after is None else tuple(map(str, after)), int(position["rows"]),
        bool(position.get("ghosts")),
    )  # fmt: skip


def _check_format(position: Mapping[str, Any]) -> None:
    found = position.get("format")
    if found is None and "lsn" in position:
        raise ValueError("it was written by Debezium, whose offsets cannot be taken over yet")
    if found != FORMAT:
        raise ValueError(f"it has format {found}, this version of Headwater knows format {FORMAT}")
