"""Where to start, decided from the stored position, the server and the slot. Pure: asks nobody."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from headwater.worker.api import Fatal

from .lsn import format_lsn
from .position import StreamPosition, TablePosition
from .server import Identity
from .slot import Slot

_log = logging.getLogger(__name__)
_AGAIN: Final = (
    "To start again: stop the connector, drop the slot if it is there, delete this connector's offsets and its topics, "
    "and start it; a new snapshot is then taken and views are rebuilt from it. Keeping the topics would leave rows in "
    "them that were deleted in the meantime"
)
_ACCEPT: Final = (
    "Or set offset.mismatch.strategy = trust_slot once to go on from the slot and accept the gap; `headwater verify "
    "--source` then shows what differs"
)


@dataclass(frozen=True, slots=True)
class Start:
    """`gap`: changes may be missing between the old position and this one; the user agreed to that."""

    position: StreamPosition
    gap: bool = False


def first_start(identity: Identity, lsn: int, snapshot: bool, epoch: int = 0) -> Start:
    return Start(StreamPosition(epoch, identity.system, identity.timeline, lsn, snapshot=snapshot))


def adopt(debezium: StreamPosition, identity: Identity, slot: Slot | None, validate: bool, trust_slot: bool) -> Start:
    """Go on where Debezium stopped.

    It confirms to the slot what the log has acknowledged, also before it stores the offset; so a slot that stands
    further than the offset is what it reads on from, and is not an error but where `validate` asks for one. The epoch
    rises where Headwater has read from another server, or another timeline of it, before.
    """
    if slot is None:
        raise Fatal(
            "there is a stored offset of Debezium's but no replication slot of this name; nothing was read. If it "
            "used another (its default: slot.name: debezium), name it and publication.name (dbz_publication). If the "
            f"slot is gone, so are the changes since {format_lsn(debezium.reached)}. {_AGAIN}"
        )
    same = (identity.system, identity.timeline) == (debezium.system, debezium.timeline)
    epoch = debezium.epoch if same or not debezium.system else debezium.epoch + 1
    here = replace(debezium, epoch=epoch, system=identity.system, timeline=identity.timeline)
    if slot.confirmed > here.commit_lsn and not validate:
        if slot.confirmed > here.reached:
            _log.warning(
                "slot %s stands at %s, beyond Debezium's offset %s: going on from the slot, as Debezium would; nothing "
                "is missing unless the slot was made anew since", slot.name, format_lsn(slot.confirmed),
                format_lsn(here.reached),
            )  # fmt: skip
        here = replace(here, commit_lsn=slot.confirmed)
    return resume(here, identity, slot, trust_slot)


def adopted_tables(names: Iterable[str], version: int, unfinished: bool, fresh_slot: bool) -> dict[str, TablePosition]:
    """What Debezium has read is not read again; but a topic of its may lack rows, so that it is not called complete.

    A snapshot that is `unfinished` begins anew, as it would with Debezium. All changes since the slot was made come
    once more over the rows that the topics hold already, which makes them right, unless the slot is a `fresh_slot`.
    """
    state = "streamed" if unfinished else "complete"
    ghosts = fresh_slot or not unfinished
    return {name: TablePosition(state, version, version, ghosts=ghosts) for name in sorted(names)}


def resume(stored: StreamPosition, identity: Identity, slot: Slot | None, trust_slot: bool) -> Start:
    """Raises `Fatal` where changes would be lost without the user's consent."""
    if slot is None:
        raise Fatal(
            f"the replication slot is gone, and with it the changes since {format_lsn(stored.commit_lsn)}; nothing was "
            f"read. {_AGAIN}"
        )
    if slot.lost:
        raise Fatal(
            f"slot {slot.name!r} has lost WAL that was not read yet ({slot.lost}; see max_slot_wal_keep_size); nothing "
            f"was read. {_AGAIN}"
        )
    here = replace(stored, system=identity.system, timeline=identity.timeline)
    undone = _undone(stored, identity)
    if undone:
        if not trust_slot:
            raise Fatal(f"{undone}; nothing was read. {_AGAIN}. {_ACCEPT}")
        return _from_slot(here, slot)
    if slot.confirmed > stored.reached:
        if not trust_slot:
            raise Fatal(
                f"slot {slot.name!r} stands at {format_lsn(slot.confirmed)}, beyond what is on the log "
                f"({format_lsn(stored.reached)}): somebody else has moved or re-created it, and the changes in "
                f"between are lost. {_AGAIN}. {_ACCEPT}"
            )
        return _from_slot(here, slot)
    if stored.timeline != identity.timeline:  # a failover that undid nothing: LSNs may repeat after the next one
        return Start(replace(here, epoch=stored.epoch + 1))
    return Start(here)


def _from_slot(here: StreamPosition, slot: Slot) -> Start:
    there = replace(here, epoch=here.epoch + 1, commit_lsn=slot.confirmed, event=0, last_commit_lsn=None)
    return Start(replace(there, last=None, done_lsn=None), True)


def _undone(stored: StreamPosition, identity: Identity) -> str:
    """Does the log hold changes that this server never made? Why, or empty."""
    at = format_lsn(stored.commit_lsn)
    if stored.system != identity.system:
        return (
            f"this is another database system ({identity.system}) than the one read up to {at} ({stored.system}): it "
            "was replaced or restored from a dump"
        )
    if stored.timeline != identity.timeline:
        left = identity.history.get(stored.timeline)
        if left is None:
            now, before = identity.timeline, stored.timeline
            return f"timeline {now} of the server does not come from timeline {before}, which was read up to {at}"
        if left < stored.commit_lsn or (stored.event and left == stored.commit_lsn):
            return (
                f"the server was restored or failed over at {format_lsn(left)} (timeline {identity.timeline}), before "
                f"{at}, up to which the log holds its changes: some of them were undone"
            )
    if identity.lsn < stored.reached:
        return (
            f"the server's WAL ends at {format_lsn(identity.lsn)}, before {at}, up to which the log holds its changes: "
            "it was restored from an older state"
        )
    return ""
