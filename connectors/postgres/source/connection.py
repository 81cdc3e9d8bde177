"""Connections to the source database, all of them with the settings that decoders rely on."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.abc import Params

from ..session import startup_options
from .failures import failure
from .settings import Settings

Connection = psycopg.Connection[tuple[Any, ...]]


def parameters(settings: Settings, **more: Any) -> dict[str, Any]:
    """libpq's connection parameters."""
    given = {
        "host": settings["database.hostname"],
        "port": settings["database.port"],
        "user": settings["database.user"],
        "password": settings["database.password"],
        "dbname": settings["database.dbname"],
        "sslmode": settings["database.sslmode"],
        "sslcert": settings["database.sslcert"],
        "sslkey": settings["database.sslkey"],
        "sslpassword": settings["database.sslpassword"],
        "sslrootcert": settings["database.sslrootcert"],
        "application_name": settings.application,
        "connect_timeout": max(2, math.ceil(settings["connection.validation.timeout.ms"] / 1000)),
        "keepalives": int(settings["database.tcpKeepAlive"]),
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
        "options": startup_options(),
    }
    return {name: value for name, value in (given | more).items() if value is not None}


def connect(settings: Settings, purpose: str = "") -> Connection:
    """An autocommit connection for queries. Raises `Retriable` or `Fatal`."""
    try:
        return open_connection(settings)
    except psycopg.Error as error:
        doing = f"connecting to {address(settings)}{f' {purpose}' if purpose else ''}"
        raise failure(error, doing) from None


def open_connection(settings: Settings) -> Connection:
    """The same. Raises psycopg's errors."""
    connection = psycopg.connect(**parameters(settings), autocommit=True, prepare_threshold=None)
    try:
        _prepare(connection, settings)
    except psycopg.Error:
        connection.close()
        raise
    return connection


def _prepare(connection: Connection, settings: Settings) -> None:
    connection.execute(f"SET statement_timeout = {int(settings['database.query.timeout.ms'])}".encode())
    for statement in statements(settings["database.initial.statements"]):
        connection.execute(statement.encode())


def statements(text: str | None) -> list[str]:
    """`a;b;;c` -> ["a", "b;c"], as Debezium reads database.initial.statements."""
    parts = re.split(r"(?<!;);(?!;)", text or "")
    return [part.replace(";;", ";").strip() for part in parts if part.strip()]


def address(settings: Settings) -> str:
    return (
        f"PostgreSQL at {settings['database.hostname']}:{settings['database.port']}, database "
        f"{settings['database.dbname']!r}, as {settings['database.user']!r}"
    )


def rows(connection: Connection, query: str, parameters: Params | None = None) -> list[tuple[Any, ...]]:
    """All rows of a query whose text holds nothing from outside but quoted names."""
    return connection.execute(query, parameters).fetchall()


def value(connection: Connection, query: str, parameters: Sequence[Any] | None = None) -> Any:
    """The first column of the first row, or None."""
    row = connection.execute(query, parameters).fetchone()
    return None if row is None else row[0]
