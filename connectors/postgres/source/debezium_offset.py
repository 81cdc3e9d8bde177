"""A Debezium PostgreSQL connector's stored offset, as far as it says where the stream stands: read, and written.

Source: io.debezium.connector.postgresql.{PostgresOffsetContext,PostgresStreamingChangeEventSource},
connection.WalPositionLocator and io.debezium.pipeline.CommonOffsetContext of Debezium 2.1 to 3.7. Its keys:
    lsn, lsn_proc         XLogData's start of the last message, and of the last one that is finished with; a Commit's
                          is the end of the commit record
    lsn_commit            that of the last Commit: what commits before it is on the log
    lsn_events_processed  how many messages share `lsn_proc` up to this one (since 3.7: COPY writes many rows at once)
    messageType, txId     what the last message was, and of which transaction
    ts_usec               when that transaction was committed, in microseconds since 1970
    snapshot, snapshot_completed, last_snapshot_record
                          `true` (until 2.x), "INITIAL" or "BLOCKING", and whether it is over
    incremental_snapshot_*  an incremental snapshot that is under way
Debezium passes keys that it does not know by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

COMMIT: Final = "COMMIT"
INSIDE: Final = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")


@dataclass(frozen=True, slots=True)
class LastMessage:
    """The newest message of an unfinished transaction that is on the log.

    `operation`: Debezium's name for it. `lsn` of its WAL record; `count`: it is that record's so-manieth message.
    """

    operation: str
    lsn: int
    count: int = 1
    xid: int | None = None


@dataclass(frozen=True, slots=True)
class DebeziumOffset:
    """`commit_lsn`: what commits before is on the log, and of the next transaction all up to `last`.

    `done_lsn`: as `commit_lsn`, where Debezium knew it exactly: there lies no commit between it and `last`.
    `unfinished`: an initial snapshot is under way; Debezium would begin it anew, and nothing else counts.
    """

    commit_lsn: int
    done_lsn: int | None = None
    last: LastMessage | None = None
    commit_us: int = 0
    unfinished: bool = False


def is_debezium(position: Mapping[str, Any]) -> bool:
    """Ours all have a format."""
    return "format" not in position and ("lsn" in position or "lsn_proc" in position)


def read_offset(offset: Mapping[str, Any]) -> DebeziumOffset:
    """Raises `ValueError` for work of Debezium's that Headwater cannot go on with, `KeyError`, `TypeError`."""
    snapshot = str(offset.get("snapshot") or "").lower()
    over = any(str(offset.get(key)).lower() == "true" for key in ("snapshot_completed", "last_snapshot_record"))
    if offset.get("incremental_snapshot_collections") or (snapshot == "blocking" and not over):
        kind = "a blocking" if snapshot == "blocking" else "an incremental"
        raise ValueError(
            f"{kind} snapshot of Debezium's is under way, which Headwater cannot finish. Let Debezium finish or stop "
            "it, then take over"
        )
    lsn, processed, done = (_number(offset, key) for key in ("lsn", "lsn_proc", "lsn_commit"))
    commit_us = _number(offset, "ts_usec") or 0
    operation = offset.get("messageType")
    reached = processed if processed is not None else lsn
    if reached is None:
        raise KeyError("lsn")
    if snapshot in ("true", "initial") and not over:
        return DebeziumOffset(reached, unfinished=True)
    whole = done if done is not None else reached
    if operation == "MESSAGE" and lsn is not None and lsn != done:
        reached = lsn  # one within a transaction does not count as finished with
    elif operation not in INSIDE and (operation != "BEGIN" or reached <= whole):
        return DebeziumOffset(whole, done, commit_us=commit_us)
    count = _number(offset, "lsn_events_processed") or 1  # of several, none of which may be lost, one is sure
    return DebeziumOffset(whole, done, LastMessage(str(operation), reached, count, _number(offset, "txId")), commit_us)


def offset_keys(
    commit_lsn: int, done_lsn: int | None, last: LastMessage | None, commit_us: int, snapshot: bool
) -> dict[str, Any]:
    """The keys with which Debezium reads on. `snapshot`: it has to begin anew, with a snapshot."""
    if snapshot:
        flags = {"snapshot": True, "snapshot_completed": False, "last_snapshot_record": False}
        return {"lsn": commit_lsn, "ts_usec": commit_us, **flags}
    if last is None:
        lsns = {"lsn": commit_lsn, "lsn_proc": commit_lsn, "lsn_commit": commit_lsn}
        return {**lsns, "messageType": COMMIT, "ts_usec": commit_us}
    keys: dict[str, Any] = {"lsn": last.lsn, "lsn_proc": last.lsn, "lsn_events_processed": last.count}
    keys |= {"messageType": last.operation, "ts_usec": commit_us}
    if done_lsn is not None:
        keys["lsn_commit"] = done_lsn
    if last.xid is not None:
        keys["txId"] = last.xid
    return keys


def read_last(position: Mapping[str, Any]) -> LastMessage | None:
    """Of a position of ours."""
    operation = position.get("messageType")
    if operation is None or operation == COMMIT:
        return None
    count = _number(position, "lsn_events_processed") or 1
    return LastMessage(str(operation), int(position["lsn_proc"]), count, _number(position, "txId"))


def _number(offset: Mapping[str, Any], key: str) -> int | None:
    value = offset.get(key)
    return None if value is None else int(value)
