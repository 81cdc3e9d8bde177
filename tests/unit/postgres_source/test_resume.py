"""Where a start begins, and when it is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headwater.connectors.postgres.source.debezium_offset import LastMessage
from headwater.connectors.postgres.source.position import StreamPosition, version_of
from headwater.connectors.postgres.source.resume import Start, adopt, adopted_tables, resume
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


DEBEZIUM = StreamPosition(0, "", 0, 1000, last=LastMessage("INSERT", 1200, 1, 77), done_lsn=1000)
"""Within transaction 77, which began after another had committed at 1000."""


def test_takes_over_where_debezium_stopped() -> None:
    here = replace(DEBEZIUM, system="sys", timeline=1)
    assert adopt(DEBEZIUM, HERE, SLOT, False, False) == Start(here)
    assert adopt(DEBEZIUM, HERE, replace(SLOT, confirmed=10), True, False) == Start(here)


def test_a_slot_beyond_debeziums_offset_counts() -> None:
    """It is told what the log has acknowledged, also before the offset is stored."""
    ahead = replace(SLOT, confirmed=2000)
    start = adopt(DEBEZIUM, HERE, ahead, False, False)
    assert start.position.commit_lsn == 2000 and not start.gap and start.position.epoch == 0
    with pytest.raises(Fatal, match="moved or re-created"):
        adopt(DEBEZIUM, HERE, ahead, True, False)


def test_refuses_to_take_over_where_changes_are_lost() -> None:
    for identity, slot, message in (
        (HERE, None, "its default: slot.name: debezium"),
        (HERE, replace(SLOT, lost="wal_removed"), "max_slot_wal_keep_size"),
        (replace(HERE, lsn=1100), SLOT, "restored from an older state"),
    ):
        with pytest.raises(Fatal, match=message):
            adopt(DEBEZIUM, identity, slot, False, False)


def test_the_epoch_outlives_debezium() -> None:
    known = replace(DEBEZIUM, epoch=3, system="sys", timeline=1)
    assert adopt(known, HERE, SLOT, False, False).position.epoch == 3
    for moved in (replace(HERE, system="other"), replace(HERE, timeline=2)):
        start = adopt(known, moved, SLOT, False, False)
        assert start.position.epoch == 4 and start.position.server == (
            replace(known.server, epoch=4, system=moved.system, timeline=moved.timeline)
        )


def test_tables_that_debezium_has_read() -> None:
    version = version_of(0, 1000)
    [read] = adopted_tables(["public.t"], version, False, False).values()
    assert read.complete and read.ghosts and read.version == version
    [begun] = adopted_tables(["public.t"], version, True, False).values()
    assert begun.state == "streamed" and not begun.ghosts
    assert adopted_tables(["public.t"], version, True, True)["public.t"].ghosts
