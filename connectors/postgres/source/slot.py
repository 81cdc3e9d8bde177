"""The replication slot: the server's promise to keep the WAL that has not been read yet."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Final, NamedTuple

import psycopg

from headwater.worker.api import Fatal, Retriable

from .connection import Connection, rows, value
from .failures import failure
from .lsn import parse_lsn
from .replication import Replication
from .server import Stopping, backends_in_the_way, version
from .settings import Settings

CREATE_TIMEOUT_S: Final = 90.0
TAKE_OVER_S: Final = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Slot:
    """`confirmed`: changes that commit before it are gone for this slot. `lost`: why its WAL is gone, or empty."""

    name: str
    confirmed: int
    active_pid: int | None
    lost: str
    lag_bytes: int = 0


class ExactPoint(NamedTuple):
    """`snapshot` shows exactly the transactions that commit before `lsn`, for as long as its connection stays idle."""

    lsn: int
    snapshot: str
    connection: Replication


def find_slot(connection: Connection, settings: Settings) -> Slot | None:
    """Raises `Fatal` for a slot that is not ours to use."""
    found = rows(
        connection,
        "SELECT to_jsonb(s), CASE WHEN pg_is_in_recovery() THEN 0 ELSE (pg_current_wal_lsn() - "
        "coalesce(restart_lsn, confirmed_flush_lsn))::bigint END FROM pg_replication_slots s WHERE slot_name = %s",
        [settings.slot],
    )
    if not found:
        return None
    slot, lag = found[0]
    wrong = ""
    if slot["slot_type"] != "logical" or slot["plugin"] != "pgoutput":
        wrong = f"it is {slot['slot_type']} with plugin {slot['plugin']}, not logical with pgoutput"
    elif slot["database"] != settings["database.dbname"]:
        wrong = f"it belongs to database {slot['database']!r}"
    elif slot["temporary"]:
        wrong = "it is a temporary slot of another session"
    if wrong:
        raise Fatal(f"slot {settings.slot!r} cannot be used: {wrong}. Choose another slot.name")
    lost = slot.get("invalidation_reason") or ("WAL dropped" if slot.get("wal_status") == "lost" else "")
    confirmed = 0 if slot["confirmed_flush_lsn"] is None else parse_lsn(slot["confirmed_flush_lsn"])
    return Slot(settings.slot, confirmed, slot["active_pid"], str(lost), int(lag or 0))


def create_slot(
    replication: Replication,
    connection: Connection,
    settings: Settings,
    temporary: str | None,
    stopping: Stopping,
    timeout_s: float | None = None,
) -> ExactPoint:
    """Make the slot, or one named `temporary` that goes with the connection, and export its snapshot.

    `stopping` is asked several times a second.

    Raises `Retriable` while old transactions are in the way, `Fatal` without privileges or free slots.
    """
    name = temporary or settings.slot
    kind = "TEMPORARY LOGICAL pgoutput" if temporary else "LOGICAL pgoutput"
    options = "EXPORT_SNAPSHOT"
    if settings["slot.failover"] and not temporary and version(connection) >= 170_000:
        options = "(SNAPSHOT 'export', FAILOVER true)"
    try:
        command = f'CREATE_REPLICATION_SLOT "{name}" {kind} {options}'
        row = replication.command(command, timeout_s or CREATE_TIMEOUT_S, stopping)[0]
    except Retriable as error:
        others = backends_in_the_way(connection)
        raise Retriable(f"{error}" + (f"; it waits for transactions to end: {others}" if others else "")) from None
    return ExactPoint(parse_lsn(str(row["consistent_point"])), str(row["snapshot_name"]), replication)


def take_over(connection: Connection, settings: Settings) -> None:
    """See that nobody streams from the slot: end our own predecessor, which the log has fenced already.

    Raises `Retriable` while another program uses the slot.
    """
    deadline = time.monotonic() + TAKE_OVER_S
    while (slot := find_slot(connection, settings)) is not None and slot.active_pid is not None:
        name = value(connection, "SELECT application_name FROM pg_stat_activity WHERE pid = %s", [slot.active_pid])
        if name is not None and name != settings.application:
            raise Retriable(
                f"slot {slot.name!r} is in use by pid {slot.active_pid} ({name or 'no application_name'}); Headwater "
                "tries again. If two connectors share the slot, give one of them another slot.name",
                settings["slot.retry.delay.ms"] / 1000,
            )
        if time.monotonic() > deadline:
            raise Retriable(f"slot {slot.name!r} is still in use by pid {slot.active_pid}, our own predecessor")
        if name is not None:
            _log.warning("slot %s: ending the predecessor's connection, pid %s", slot.name, slot.active_pid)
            _terminate(connection, slot.active_pid)
        time.sleep(0.1)


def _terminate(connection: Connection, pid: int) -> None:
    try:
        connection.execute("SELECT pg_terminate_backend(%s)", [pid])
    except psycopg.Error as error:
        raise failure(error, f"ending the predecessor's connection, pid {pid}") from None


def drop_slot(connection: Connection, settings: Settings) -> None:
    """Drop the slot once nobody uses it any more."""
    take_over(connection, settings)
    try:
        connection.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
            [settings.slot],
        )
    except psycopg.Error as error:
        raise failure(error, f"dropping slot {settings.slot!r}") from None
