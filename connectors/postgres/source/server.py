"""What the server says of itself: who it is, how far its WAL is, how it is configured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from headwater.worker.api import Fatal

from .connection import Connection, rows, value
from .failures import quoted
from .lsn import parse_lsn
from .replication import Replication

OLDEST: Final = 130_000
PAGE: Final = 8192
PAGE_HEADER: Final = 40
COMMAND_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Identity:
    """`lsn`: the end of the WAL. `history`: for each earlier timeline, where the server left it."""

    system: str
    timeline: int
    lsn: int
    history: dict[int, int] = field(default_factory=dict)


def identify(replication: Replication, known_timeline: int | None) -> Identity:
    """Asks for the history only where the timeline is not the one known."""
    row = replication.command("IDENTIFY_SYSTEM", COMMAND_TIMEOUT_S)[0]
    timeline = int(row["timeline"] or 0)
    history: dict[int, int] = {}
    if known_timeline is not None and known_timeline != timeline and timeline > 1:
        answer = replication.command(f"TIMELINE_HISTORY {timeline}", COMMAND_TIMEOUT_S)[0]
        history = parse_history(answer["content"] or "")
    return Identity(str(row["systemid"]), timeline, parse_lsn(str(row["xlogpos"])), history)


def parse_history(text: str) -> dict[int, int]:
    """Lines `timeline<TAB>switch LSN<TAB>reason` (PostgreSQL, timeline.c)."""
    history = {}
    for line in text.splitlines():
        parts = line.split("#")[0].split()
        if len(parts) >= 2 and parts[0].isdigit():
            history[int(parts[0])] = parse_lsn(parts[1])
    return history


def version(connection: Connection) -> int:
    """E.g. 150004."""
    return connection.info.server_version


def may_replicate(connection: Connection) -> bool:
    """May the user who logged in open a replication connection? Hosted servers have roles of their own for it."""
    return bool(
        value(
            connection,
            "SELECT rolsuper OR rolreplication OR EXISTS (SELECT FROM pg_roles g WHERE g.rolname IN ("
            "'rds_replication', 'cloudsqlsuperuser', 'azure_pg_admin') AND pg_has_role(session_user, g.oid, 'MEMBER')) "
            "FROM pg_roles WHERE rolname = session_user",
        )
    )


def demand_logical(connection: Connection) -> None:
    """Raises `Fatal` for a server that cannot be captured at all, or not by this user."""
    if version(connection) < OLDEST:
        raise Fatal(f"the server is PostgreSQL {version(connection) // 10_000}; Headwater needs 13 or newer")
    level = value(connection, "SHOW wal_level")
    if level != "logical":
        raise Fatal(
            f"the server has wal_level = {level}, so that changes cannot be read; nothing was started. Run ALTER "
            "SYSTEM SET wal_level = 'logical' and restart the server"
        )
    if not may_replicate(connection):
        user = connection.info.user
        raise Fatal(
            f"{user!r} may not open a replication connection; nothing was started. Run ALTER ROLE {quoted(user)} "
            "REPLICATION; (on Amazon RDS GRANT rds_replication), then restart the task"
        )


def wal_end(connection: Connection) -> int:
    """Everything committed before is below it, and an idle stream gets there."""
    current = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"
    end = parse_lsn(str(value(connection, f"SELECT {current}")))
    # behind a page's header there is nothing yet: the stream ends before it
    return end - end % PAGE if end % PAGE <= PAGE_HEADER else end


def backends_in_the_way(connection: Connection) -> str:
    """The oldest transactions, which a new slot waits for, as text for a message; empty: none."""
    found = rows(
        connection,
        "SELECT pid, coalesce(usename::text, backend_type), now() - xact_start FROM pg_stat_activity WHERE backend_xid "
        "IS NOT NULL AND pid <> pg_backend_pid() ORDER BY xact_start LIMIT 3",
    )
    return "; ".join(f"pid {pid} of {user}, open for {str(age).split('.')[0]}" for pid, user, age in found)


Stopping = Callable[[], bool]
