"""Errors of PostgreSQL and of the connection to it -> errors that steer the runtime, with the way out."""

from __future__ import annotations

import re
from typing import Final

import psycopg

from headwater.worker.api import Fatal, HeadwaterError, Retriable

_PASSING: Final = frozenset({
    "40001", "40P01",  # serialization failure, deadlock
    "55006", "55P03",  # object in use, lock not available
    "57014", "57P01", "57P02", "57P03", "57P05",  # cancelled, shut down, crash, starting up, idle session
    "72000", "25P03", "25006",  # snapshot too old, idle in transaction, read only (a standby being promoted)
})  # fmt: skip
_PASSING_CLASSES: Final = ("08", "53", "58")  # connection, resources, system

_WAYS_OUT: Final[dict[str, str]] = {
    "28P01": "check database.user and database.password",
    "28000": "check database.user and pg_hba.conf of the server (a replication connection needs no line of its own "
    "for logical replication, only one for the database)",
    "3D000": "check database.dbname",
    "53400": "drop a slot that nobody needs, or raise max_replication_slots and max_wal_senders (a restart)",
    "42501": "give the user what it lacks: `headwater check` lists the statements",
}
_BY_TEXT: Final = (
    (re.compile(r"password authentication failed|no password supplied", re.I), "28P01"),
    (re.compile(r"no pg_hba.conf entry|role .* does not exist|is not permitted to log in", re.I), "28000"),
    (re.compile(r"database .* does not exist", re.I), "3D000"),
    (re.compile(r"permission denied|must be superuser or replication role", re.I), "42501"),
)
"""libpq tells no SQLSTATE for a refused connection; servers that speak another language are retried instead."""


def sqlstate(error: psycopg.Error) -> str:
    """The error's SQLSTATE; empty where the server gave none and the text says nothing."""
    if error.sqlstate:
        return error.sqlstate
    text = str(error)
    return next((state for pattern, state in _BY_TEXT if pattern.search(text)), "")


def failure(error: psycopg.Error, doing: str, after_s: float | None = None) -> HeadwaterError:
    """What to raise for `error`, which came up while `doing`. psycopg's messages hold no password."""
    state = sqlstate(error)
    text = " ".join(str(error).split())
    if state not in _WAYS_OUT and (_passes(state) or (not state and _is_connection_error(error))):
        return Retriable(f"{doing}: {text}. Headwater connects again and goes on from the stored position", after_s)
    way_out = _WAYS_OUT.get(state, "")
    return Fatal(f"{doing}: {text}" + (f"; {way_out}" if way_out else ""))


def _passes(state: str) -> bool:
    return state[:2] in _PASSING_CLASSES or state in _PASSING


def _is_connection_error(error: psycopg.Error) -> bool:
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
