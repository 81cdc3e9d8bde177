"""Where a start begins, and when it is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headwater.connectors.postgres.source.position import StreamPosition
from headwater.connectors.postgres.source.resume import Start, resume
from headwater.connectors.postgres.source.server import Identity, parse_history
from headwater.connectors.postgres.source.slot import Slot
from headwater.worker.api import Fatal

STORED = StreamPosition(3, "sys", 1, 1000, 7, 900)
HERE = Identity("sys", 1, 5000)
SLOT = Slot("s", 1000, None, "")


def test_goes_on() -> None:
    assert resume(STORED, HERE, SLOT, False) == Start(STORED)
    assert resume(STORED, HERE, replace(SLOT, confirmed=10), True) == Start(STORED)


@pytest.mark.parametrize(
    ("identity", "slot", "message"),
    [
        (HERE, None, "slot is gone"),
        (HERE, replace(SLOT, lost="wal_removed"), "max_slot_wal_keep_size"),
        (HERE, replace(SLOT, confirmed=1001), "moved or re-created"),
        (replace(HERE, system="other"), SLOT, "another database system"),
        (replace(HERE, lsn=999), SLOT, "restored from an older state"),
        (Identity("sys", 2, 5000, {1: 999}), SLOT, "some of them were undone"),
        (Identity("sys", 2, 5000, {1: 1000}), SLOT, "some of them were undone"),  # its seven events were
        (Identity("sys", 3, 5000, {2: 1500}), SLOT, "does not come from timeline 1"),
    ],
)
def test_refuses_where_changes_are_lost(identity: Identity, slot: Slot | None, message: str) -> None:
    with pytest.raises(Fatal, match=message) as caught:
        resume(STORED, identity, slot, False)
    assert "delete this connector's offsets" in str(caught.value)


def test_consent_makes_a_new_epoch_at_the_slot() -> None:
    for identity, slot in (
        (HERE, replace(SLOT, confirmed=2000)),
        (replace(HERE, system="other"), replace(SLOT, confirmed=2000)),
        (Identity("sys", 2, 5000, {1: 999}), replace(SLOT, confirmed=2000)),
    ):
        start = resume(STORED, identity, slot, True)
        assert start.gap and start.position.epoch == 4 and start.position.commit_lsn == 2000
        assert start.position.event == 0 and start.position.system == identity.system
    with pytest.raises(Fatal):
        resume(STORED, HERE, None, True)


def test_a_failover_that_undid_nothing_makes_a_new_epoch() -> None:
    start = resume(STORED, Identity("sys", 2, 5000, {1: 1001}), SLOT, False)
    assert start == Start(replace(STORED, epoch=4, timeline=2))
    assert start.position.version > STORED.version


def test_history() -> None:
    text = "1\t0/3000000\tno recovery target specified\n\n2\t1/A0\tbefore 2026 # x\n"
    assert parse_history(text) == {1: 0x3000000, 2: 0x1000000A0}
