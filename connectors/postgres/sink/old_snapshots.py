"""Waiting out transactions whose snapshots are older than a generation's rows, as CREATE INDEX CONCURRENTLY does.

A reader in REPEATABLE READ that began before would find the new table without the rows that it has long had in the old.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from headwater.worker.api import Retriable

from .connection import Connection

# virtual transaction ids are shown to everybody; backend_xmin only to roles that may see others' activity
_OPEN = """
SELECT l.virtualtransaction, a.pid, coalesce(a.usename::text, ''), coalesce(a.application_name, '')
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'virtualxid' AND l.granted AND l.virtualxid = l.virtualtransaction
  AND a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND a.backend_type IN ('client backend', 'parallel worker')
  AND (a.backend_xmin IS NOT NULL
    OR NOT (pg_has_role(a.usesysid, 'USAGE') OR pg_has_role('pg_read_all_stats', 'USAGE')))
"""


def wait_for_older(connection: Connection, timeout_s: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait until each transaction that now holds a snapshot in this database has ended. Raises `Retriable`."""
    older = _open(connection)
    deadline = time.monotonic() + timeout_s
    pause = 0.02
    while older:
        if time.monotonic() > deadline:
            who = ", ".join(sorted(set(older.values())))
            raise Retriable(
                f"transactions older than the new generation's rows are still open after {timeout_s:.0f} s ({who}); "
                "end them, or raise swap.wait.timeout.ms; the generation that readers see is unchanged"
            )
        sleep(pause)
        pause = min(1.0, pause * 1.5)
        still = _open(connection)
        older = {marker: who for marker, who in older.items() if marker in still}


def _open(connection: Connection) -> dict[str, str]:
    return {
        marker: f"pid {pid} of {user}" + (f", {application}" if application else "")
        for marker, pid, user, application in connection.execute(_OPEN)
    }
