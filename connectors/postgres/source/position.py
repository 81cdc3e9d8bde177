"""Positions as they lie on the log: for the stream, the server, and the snapshot of each table. Format 1.

Stream, under {"server": prefix}, as Debezium's:
    {"format": 1, "epoch": 0, "system": "7392…", "timeline": 1, "commit_lsn": 123, "event": 0, "last_commit_lsn": 120,
     "lsn": 123, "lsn_proc": 123, "lsn_commit": 123, "messageType": "COMMIT", "ts_usec": 1700000000000000}
    Every transaction that commits before `commit_lsn` is on the log, and of the one that commits there, the first
    `event` messages. From `lsn` on: what Debezium needs to read on from here, see `debezium_offset`. A position
    without `format` was written by Debezium. Taken over from it within a transaction, `event` is 0 and the messages up
    to `lsn_proc` are on the log.
Server, under {"server": prefix, "headwater": "server"}: {"format": 1, "epoch": 0, "system": "7392…", "timeline": 1}
    The same as in the stream's position, and there still after Debezium has written that one.
Table, under {"server": prefix, "snapshot": "schema.table"}:
    {"format": 1, "state": "running", "from": V0, "version": V1, "key": '["id"]', "types": '["int4"]',
     "after": '["42"]', "rows": 1000, "ghosts": false}
    Lists are JSON in a string (older positions hold the list itself): Kafka Connect, asked for the offsets, calls an
    offset with a list in it a critical error.
    Rows up to and including the key `after` (None: none yet) are on the log; the newest were read at version V1, the
    oldest at V0. {"state": "complete"}: all of them are. {"state": "streamed"}: no rows yet, but changes since V0.
    {"state": "left"}: not captured any more. `ghosts`: the topic may hold rows that were deleted while nobody looked,
    so that it cannot be called complete.

Upgrade rule: a reader refuses a higher format, and reads every lower one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from headwater.worker.api import Fatal, Partition, Position

from .debezium_offset import LastMessage, is_debezium, offset_keys, read_last, read_offset
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
class ServerState:
    """Which server was read from last, and the epoch of its versions."""

    epoch: int
    system: str
    timeline: int

    def json(self) -> Position:
        return {"format": FORMAT, "epoch": self.epoch, "system": self.system, "timeline": self.timeline}


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """`last`: within a transaction, its newest message on the log; `done_lsn`: what commits before is on the log, and
    nothing commits between it and that transaction. `commit_us`: time of the newest commit. `snapshot`: the first
    snapshot is still being read. `system` empty: Debezium's, which does not tell."""

    epoch: int
    system: str
    timeline: int
    commit_lsn: int
    event: int = 0
    last_commit_lsn: int | None = None
    last: LastMessage | None = None
    done_lsn: int | None = None
    commit_us: int = 0
    snapshot: bool = False

    @property
    def taken(self) -> LastMessage | None:
        """Where Debezium stopped within a transaction: how many messages that are is not known."""
        return None if self.event else self.last

    @property
    def reached(self) -> int:
        """Up to here the slot may have been told that all is durable."""
        return max(self.commit_lsn, self.taken.lsn) if self.taken else self.commit_lsn

    @property
    def server(self) -> ServerState:
        return ServerState(self.epoch, self.system, self.timeline)

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
            **offset_keys(self.commit_lsn, self.done_lsn, self.last, self.commit_us, self.snapshot),
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
            position |= {"key": json.dumps(self.key), "types": json.dumps(self.types)}
        if self.after is not None:
            position["after"] = json.dumps(self.after)
        return position | {"rows": self.rows, "ghosts": self.ghosts}


@dataclass(slots=True)
class Stored:
    """All positions of one connector. `tables` by `schema.table`.

    `from_debezium`: the stream's was written by Debezium. `unfinished`: so it was, but within its first snapshot, and
    there is no position of the stream.
    """

    stream: StreamPosition | None = None
    tables: dict[str, TablePosition] = field(default_factory=dict)
    server: ServerState | None = None
    from_debezium: bool = False
    unfinished: bool = False


def stream_partition(prefix: str) -> Partition:
    return {"server": prefix}


def server_partition(prefix: str) -> Partition:
    return {"server": prefix, "headwater": "server"}


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
            elif "headwater" in partition:
                stored.server = server_state(position)
            else:
                stored.from_debezium = is_debezium(position)
                stored.unfinished = stored.from_debezium and read_offset(position).unfinished
                stored.stream = None if stored.unfinished else stream_position(position)
        except (KeyError, TypeError, ValueError) as error:
            raise Fatal(
                f"the stored position {dict(position)} of {dict(partition)} cannot be read: {error!r}. Put it right or "
                "delete this connector's offsets (a new snapshot is then taken)"
            ) from None
    if stored.from_debezium and stored.stream is not None and (known := stored.server) is not None:
        stored.stream = replace(stored.stream, epoch=known.epoch, system=known.system, timeline=known.timeline)
    return stored


def check_position(partition: Partition, position: Position) -> None:
    """Raises `KeyError`, `TypeError`, `ValueError` for one that could not be read."""
    if "snapshot" in partition:
        table_position(position)
    elif "headwater" in partition:
        server_state(position)
    else:
        stream_position(position)


def stream_position(position: Position) -> StreamPosition:
    """Ours or Debezium's."""
    if is_debezium(position):
        offset = read_offset(position)
        return StreamPosition(
            0, "", 0, offset.commit_lsn, 0, offset.done_lsn, offset.last, offset.done_lsn, offset.commit_us,
            offset.unfinished,
        )  # fmt: skip
    _check_format(position)
    return StreamPosition(
        int(position["epoch"]), str(position["system"]), int(position["timeline"]), int(position["commit_lsn"]),
        int(position.get("event", 0)), _number(position, "last_commit_lsn"), last := read_last(position),
        _number(position, "lsn_commit") if last else None, _number(position, "ts_usec") or 0,
        bool(position.get("snapshot")),
    )  # fmt: skip


def server_state(position: Position) -> ServerState:
    _check_format(position)
    return ServerState(int(position["epoch"]), str(position["system"]), int(position["timeline"]))


def table_position(position: Position) -> TablePosition:
    _check_format(position)
    if position["state"] not in ("streamed", "running", "complete", "left"):
        raise ValueError(f"unknown state {position['state']!r}")
    after = position.get("after")
    return TablePosition(
        str(position["state"]), int(position["from"]), int(position["version"]), _texts(position.get("key", ())),
        _texts(position.get("types", ())), None if after is None else _texts(after), int(position["rows"]),
        bool(position.get("ghosts")),
    )  # fmt: skip


def _texts(value: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(map(str, json.loads(value) if isinstance(value, str) else value))


def _number(position: Mapping[str, Any], key: str) -> int | None:
    value = position.get(key)
    return None if value is None else int(value)


def _check_format(position: Mapping[str, Any]) -> None:
    found = position.get("format")
    if found != FORMAT:
        raise ValueError(f"it has format {found}, this version of Headwater knows format {FORMAT}")
