"""A transaction reaches the stream when its commit is in the WAL, a moment before other sessions see what it did.

The moment is long where the commit waits for a synchronous standby. What is read in it, rows or catalog, is the state
before the transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import psycopg

from headwater.worker.api import Retriable

from .connection import Connection, rows
from .failures import failure

WAIT_S = 10.0
_STEP_S = 0.005

# A stream's transaction id has 32 bits: it is the one of that ending which is nearest to the newest id.
_VISIBLE = """
SELECT bool_and(pg_visible_in_snapshot(
    (newest + mod(mod(xid - newest, 4294967296) + 6442450944, 4294967296) - 2147483648)::text::xid8, snapshot))
FROM (SELECT pg_current_snapshot() AS snapshot, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS newest) AS now,
     unnest(%s::bigint[]) AS xid
"""


def await_visible(connection: Connection, xids: Iterable[int]) -> None:
    """Return once these transactions of the stream are visible to queries. Raises `Retriable` after 10 s."""
    wanted = sorted(set(xids))
    end = time.monotonic() + WAIT_S
    while True:
        try:
            ((visible,),) = rows(connection, _VISIBLE, (wanted,))
        except psycopg.Error as error:
            raise failure(error, "asking whether a transaction of the stream is visible") from None
        if visible is not False:
            return
        if time.monotonic() > end:
            raise Retriable(
                f"transactions {wanted[0]} to {wanted[-1]} are in the stream, but queries do not see them after "
                f"{WAIT_S:.0f} s; does their commit wait for a synchronous standby? Headwater tries again"
            )
        time.sleep(_STEP_S)
