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
_NO_CONNECT: Final = re.compile(r"permission denied for database", re.I)
_NO_ANSWER: Final = (
    (re.compile(r"failed to resolve|could not translate host name", re.I), "check database.hostname"),
    (re.compile(r"certificate|\bSSL\b", re.I), "check database.sslmode and the other database.ssl options"),
)
_BY_TEXT: Final = (
    (re.compile(r"password authentication failed|no password supplied", re.I), "28P01"),
    (
        re.compile(r"no pg_hba.conf entry|pg_hba.conf rejects|role .* does not exist|is not permitted to log in", re.I),
        "28000",
    ),
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


def connection_fix(error: psycopg.Error, database: str, user: str) -> str:
    """What to do about a connection that failed: SQL where SQL helps. Says nothing of `headwater check`."""
    text, state = str(error), sqlstate(error)
    if state == "42501":
        if _NO_CONNECT.search(text):
            return f"GRANT CONNECT ON DATABASE {quoted(database)} TO {quoted(user)};"
        return "give the user what it lacks"
    if state:
        return _WAYS_OUT.get(state, "")
    steps = (step for pattern, step in _NO_ANSWER if pattern.search(text))
    return next(steps, "check database.hostname and database.port, and that the server runs and lets this host in")


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


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
