"""Debezium's offsets in all states, as its versions write them, and ours as it reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.connectors.postgres.source.debezium_offset import DebeziumOffset, LastMessage, read_offset
from headwater.connectors.postgres.source.pgoutput import Begin, Delete, Insert, Truncate
from headwater.connectors.postgres.source.position import StreamPosition, read_positions, stream_partition
from headwater.connectors.postgres.source.transaction import Transaction

STATES: list[tuple[str, dict[str, Any], DebeziumOffset]] = [
    (
        "3.7, after the snapshot",
        {"last_snapshot_record": True, "lsn": 900, "txId": 756, "ts_usec": 5, "snapshot": "INITIAL",
         "snapshot_completed": True},
        DebeziumOffset(900, commit_us=5),
    ),
    (
        "3.7, within the snapshot",
        {"last_snapshot_record": False, "lsn": 900, "txId": 756, "ts_usec": 5, "snapshot": "INITIAL",
         "snapshot_completed": False},
        DebeziumOffset(900, unfinished=True),
    ),
    (
        "2.7, within the snapshot",
        {"last_snapshot_record": False, "lsn": 900, "txId": 756, "ts_usec": 5, "snapshot": True},
        DebeziumOffset(900, unfinished=True),
    ),
    (
        "2.7, after the snapshot",
        {"last_snapshot_record": True, "lsn": 900, "txId": 756, "ts_usec": 5, "snapshot": True},
        DebeziumOffset(900, commit_us=5),
    ),
    (
        "3.7, the first transaction: no commit was met so far",
        {"lsn_proc": 950, "lsn_events_processed": 1, "messageType": "INSERT", "lsn": 950, "txId": 757, "ts_usec": 6},
        DebeziumOffset(950, None, LastMessage("INSERT", 950, 1, 757), 6),
    ),
    (
        "3.7, within COPY: five rows of one WAL record",
        {"lsn_proc": 990, "lsn_events_processed": 5, "messageType": "INSERT", "lsn_commit": 970, "lsn": 990,
         "txId": 760, "ts_usec": 7},
        DebeziumOffset(970, 970, LastMessage("INSERT", 990, 5, 760), 7),
    ),
    (
        "2.7: it does not tell how many",
        {"lsn_proc": 990, "messageType": "DELETE", "lsn_commit": 970, "lsn": 990, "txId": 760, "ts_usec": 7},
        DebeziumOffset(970, 970, LastMessage("DELETE", 990, 1, 760), 7),
    ),
    (
        "a change older than a transaction that was committed in between",
        {"lsn_proc": 940, "messageType": "UPDATE", "lsn_commit": 970, "lsn": 940, "txId": 755, "ts_usec": 7},
        DebeziumOffset(970, 970, LastMessage("UPDATE", 940, 1, 755), 7),
    ),
    (
        "a heartbeat after a commit",
        {"lsn_proc": 999, "messageType": "COMMIT", "lsn_commit": 999, "lsn": 999, "txId": 760, "ts_usec": 7},
        DebeziumOffset(999, 999, commit_us=7),
    ),
    (
        "a transaction has begun",
        {"lsn_proc": 999, "messageType": "BEGIN", "lsn_commit": 999, "lsn": 999, "txId": 761, "ts_usec": 7,
         "transaction_id": "761:999"},
        DebeziumOffset(999, 999, commit_us=7),
    ),
    (
        "a transaction has begun for the second time, after a restart",
        {"lsn_proc": 1010, "messageType": "BEGIN", "lsn_commit": 999, "lsn": 1001, "txId": 761, "ts_usec": 7},
        DebeziumOffset(999, 999, LastMessage("BEGIN", 1010, 1, 761), 7),
    ),
    (
        "a logical message of a transaction",
        {"lsn_proc": 999, "messageType": "MESSAGE", "lsn_commit": 999, "lsn": 1020, "txId": 761, "ts_usec": 7},
        DebeziumOffset(999, 999, LastMessage("MESSAGE", 1020, 1, 761), 7),
    ),
    (
        "a logical message outside of transactions",
        {"lsn_proc": 1020, "messageType": "MESSAGE", "lsn_commit": 1020, "lsn": 1020, "ts_usec": 7},
        DebeziumOffset(1020, 1020, commit_us=7),
    ),
    ("1.2: no message types", {"lsn_proc": 999, "lsn": 999, "txId": 7, "ts_usec": 7}, DebeziumOffset(999, commit_us=7)),
    (
        "after a blocking snapshot",
        {"lsn_proc": 999, "messageType": "COMMIT", "lsn_commit": 999, "lsn": 999, "snapshot": "BLOCKING",
         "snapshot_completed": True},
        DebeziumOffset(999, 999),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("offset", "expected"), [case[1:] for case in STATES], ids=[case[0] for case in STATES])
def test_reads(offset: dict[str, Any], expected: DebeziumOffset) -> None:
    assert read_offset(offset) == expected
    stored = read_positions("shop", [(stream_partition("shop"), offset)])
    assert stored.from_debezium and stored.unfinished == expected.unfinished
    assert (stored.stream is None) == expected.unfinished


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        ({"lsn": 5, "incremental_snapshot_collections": "[{}]"}, "an incremental snapshot"),
        ({"lsn": 5, "snapshot": "BLOCKING", "snapshot_completed": False}, "a blocking snapshot"),
    ],
)
def test_refuses_what_it_cannot_finish(offset: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_offset(offset)


def test_writes_what_debezium_reads() -> None:
    between = StreamPosition(2, "sys", 1, 1000, last_commit_lsn=990, commit_us=7)
    within = StreamPosition(2, "sys", 1, 1200, 3, 990, LastMessage("UPDATE", 1100, 2, 77), 1000, 7)
    for position, expected in (
        (between, DebeziumOffset(1000, 1000, commit_us=7)),
        (within, DebeziumOffset(1000, 1000, LastMessage("UPDATE", 1100, 2, 77), 7)),
        (StreamPosition(0, "sys", 1, 1000, snapshot=True), DebeziumOffset(1000, unfinished=True)),
    ):
        written = json.loads(json.dumps(position.json()))
        assert read_offset(written) == expected
        assert all(isinstance(written[key], int) for key in ("lsn", "ts_usec")), "Debezium wants a Long"


def new_ones(transaction: Transaction, lsns: list[int]) -> list[int]:
    return [n for n, lsn in enumerate(lsns, 1) if transaction.is_new(Insert(1, []), lsn)]


def test_leaves_out_what_debezium_has_written() -> None:
    taken = StreamPosition(0, "sys", 1, 1000, last=LastMessage("INSERT", 1100, 2, 77), done_lsn=1000)
    lsns = [1050, 1100, 1100, 1100, 1150]
    assert new_ones(Transaction(Begin(1200, 7, 77), 1050, taken, False), lsns) == [4, 5]
    assert new_ones(Transaction(Begin(1200, 7, 78), 1050, taken, False), lsns) == [1, 2, 3, 4, 5]


def test_leaves_out_what_is_on_the_log_and_says_where_it_stands() -> None:
    within = StreamPosition(0, "sys", 1, 1200, 3, last=LastMessage("INSERT", 1100, 2, 77), done_lsn=1000)
    transaction = Transaction(Begin(1200, 7, 77), 1050, within, False)
    assert new_ones(transaction, [1050, 1100, 1100, 1100]) == [4]
    assert transaction.last() == LastMessage("INSERT", 1100, 3, 77)
    assert transaction.is_new(Truncate([1], False, False), 1150), "counted, but not seen by Debezium"
    assert transaction.event == 5 and transaction.last() == LastMessage("INSERT", 1100, 3, 77)
    assert new_ones(Transaction(Begin(1300, 7, 78), 1250, within, False), [1250]) == [1]


def test_counts_a_begin_at_the_lsn_of_the_first_rows() -> None:
    """Debezium's own count leaves it out, but where it is 1, who goes on repeats a row, as Debezium does."""
    for count, expected in ((1, [2, 3, 4]), (2, [2, 3, 4]), (3, [3, 4])):
        taken = StreamPosition(0, "sys", 1, 1000, last=LastMessage("INSERT", 1100, count, 77), done_lsn=1000)
        assert new_ones(Transaction(Begin(1200, 7, 77), 1100, taken, False), [1100, 1100, 1100, 1150]) == expected


def test_one_row_of_a_wal_record_may_have_others_behind_it() -> None:
    transaction = Transaction(Begin(1200, 7, 77), 1100, StreamPosition(0, "sys", 1, 1000), False)
    assert not transaction.may_share and transaction.last() is None
    for lsn, may_share, last in ((1100, False, 2), (1150, True, 1), (1150, False, 2), (1170, True, 1)):
        before = transaction.last()
        transaction.is_new(Insert(1, []), lsn)
        assert transaction.may_share == may_share
        assert transaction.last() == LastMessage("INSERT", lsn, last, 77)
        assert transaction.before_last() == before
    transaction.is_new(Delete(1, [], "K"), 1190)
    assert not transaction.may_share, "rows of a COPY alone share a WAL record"
