"""Connections to the view's database, and what its errors mean to the runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import parse_qsl

import psycopg
from psycopg.conninfo import conninfo_to_dict

from headwater.worker.api import DataError, Fatal, HeadwaterError, Retriable, Values

Connection = psycopg.Connection[tuple[Any, ...]]

_SESSION: Final = (
    "SET datestyle = 'ISO, YMD'; SET intervalstyle = iso_8601; SET timezone = 'UTC'; SET bytea_output = hex; "
    "SET extra_float_digits = 1; SET client_min_messages = warning; SET standard_conforming_strings = on; "
    "SET statement_timeout = 0; SET lock_timeout = 0"
)
_SEARCH_PATH: Final = (
    "SELECT set_config('search_path', coalesce((SELECT string_agg(quote_ident(name), ', ' ORDER BY at) "
    "FROM unnest(current_schemas(false)) WITH ORDINALITY AS path(name, at) WHERE name <> %s), ''), false)"
)
"""Without the schema of Headwater's own tables: a user of that name would find it first, and a view's tables have no
place in it."""
_JDBC: Final = {"user": "user", "password": "password", "sslmode": "sslmode", "sslrootcert": "sslrootcert",
                "sslcert": "sslcert", "sslkey": "sslkey", "ApplicationName": "application_name",
                "connectTimeout": "connect_timeout", "loginTimeout": "connect_timeout",
                "targetServerType": "target_session_attrs", "options": "options"}  # fmt: skip
"""pgjdbc's names for libpq's parameters."""
_JDBC_HARMLESS: Final = frozenset({"stringtype", "reWriteBatchedInserts", "prepareThreshold", "socketTimeout",
                                   "tcpKeepAlive", "binaryTransfer", "defaultRowFetchSize", "assumeMinServerVersion",
                                   "preparedStatementCacheQueries", "preparedStatementCacheSizeMiB"})  # fmt: skip
DRIVER_PARAMETERS: Final = frozenset({*_JDBC, "ssl", "currentSchema"} - {"user", "password"})
"""What `connection.NAME` may name, as well as a URL's query."""
DRIVER_TUNING: Final = _JDBC_HARMLESS
"""The same, without effect here."""
_SERVER_TYPES: Final = {"primary": "read-write", "master": "read-write", "any": "any"}

_TRANSIENT: Final = ("08", "53", "57", "40", "25P03", "55P03", "55006", "58")
_BAD_DATA: Final = ("22", "23", "54000")
"""Classes that one record can cause: out of range, constraint, index row too large."""
_WHOLE_ROW: Final = ("23502", "23514")
"""NOT NULL and CHECK: the server's detail is the whole row, which belongs in no log."""


def conninfo(values: Mapping[str, Any]) -> dict[str, Any]:
    """libpq's parameters. Raises `ValueError`, whose message holds no secret."""
    url = str(values["connection.url"]).strip()
    parameters = _from_jdbc(url.removeprefix("jdbc:")) if url.startswith("jdbc:") else _from_libpq(url)
    for option, text in values.items():
        name = option.removeprefix("connection.")
        if option.startswith("connection.") and name in DRIVER_PARAMETERS:
            _take(parameters, name, str(text))
    for name, option in (
        ("user", "connection.username"),
        ("password", "connection.password"),
        ("sslpassword", "connection.sslpassword"),
    ):
        if values.get(option):
            parameters[name] = values[option]
    parameters.setdefault("application_name", "headwater")
    parameters.setdefault("connect_timeout", "10")
    for name, setting in (
        ("keepalives_idle", "30"),
        ("keepalives_interval", "10"),
        ("keepalives_count", "3"),
        ("tcp_user_timeout", "60000"),  # milliseconds; else a server that has vanished is waited for 15 minutes
    ):
        parameters.setdefault(name, setting)
    return parameters


def _from_libpq(url: str) -> dict[str, Any]:
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with jdbc:postgresql:// or postgresql://")
    try:
        return conninfo_to_dict(url)
    except psycopg.Error as error:
        raise ValueError("is not a connection URL that libpq can read") from error


def _from_jdbc(url: str) -> dict[str, Any]:
    """Query parameters of pgjdbc become those of libpq."""
    address, _, query = url.partition("?")
    if "://" not in address:
        address = address.replace("postgresql:", "postgresql:///", 1)
    parameters = _from_libpq(address)
    for name, value in parse_qsl(query, keep_blank_values=True):
        _take(parameters, name, value)
    try:
        psycopg.conninfo.make_conninfo(**parameters)
    except psycopg.Error as error:
        raise ValueError("is not a connection URL that libpq can read") from error
    return parameters


def _take(parameters: dict[str, Any], name: str, value: str) -> None:
    """Add pgjdbc's parameter as libpq's. Raises `ValueError` for one that is not known."""
    if name == "currentSchema":
        path = value.replace("\\", "\\\\").replace(" ", "\\ ")
        parameters["options"] = f"{parameters.get('options', '')} -c search_path={path}".strip()
    elif name == "options":  # of two settings of one parameter the server takes the last
        parameters["options"] = f"{parameters.get('options', '')} {value}".strip()
    elif name == "ssl":
        if value.lower() != "false":
            parameters.setdefault("sslmode", "verify-full")
    elif name == "targetServerType":
        parameters["target_session_attrs"] = _SERVER_TYPES.get(value, value)
    elif name in _JDBC:
        parameters[_JDBC[name]] = value
    elif name not in _JDBC_HARMLESS:
        raise ValueError(f"has the parameter {name}, which Headwater does not know")


def has_password(url: str) -> bool:
    """Does the URL itself hold a password, which would then be shown wherever the URL is?"""
    try:
        parameters = conninfo({"connection.url": url})
        return bool(parameters.get("password") or parameters.get("sslpassword"))
    except ValueError:
        return False


def connect(values: Mapping[str, Any], idle_timeout_s: int = 60) -> Connection:
    """An autocommit connection with fixed session settings. Raises `Retriable`.

    `idle_timeout_s`: the server ends a transaction that this session leaves open and idle; 0: never.
    """
    parameters = conninfo(values)
    where = f"{parameters.get('host', 'localhost')}:{parameters.get('port', 5432)}/{parameters.get('dbname', '')}"
    try:
        connection = psycopg.connect(**parameters, autocommit=True, prepare_threshold=None)
        connection.execute(_SESSION)
        connection.execute(_SEARCH_PATH, [values["state.schema"]])
        connection.execute(f"SET idle_in_transaction_session_timeout = {idle_timeout_s * 1000}")
    except psycopg.Error as error:
        raise Retriable(f"cannot connect to the view's database {where}: {_first_line(error)}") from error
    return connection


@contextmanager
def meaning(doing: str) -> Iterator[None]:
    """Turns errors of the server into those that steer the runtime; `doing` completes "… failed"."""
    try:
        yield
    except psycopg.Error as error:
        raise meant(error, doing) from error


def meant(error: psycopg.Error, doing: str) -> HeadwaterError:
    state = error.sqlstate
    text = f"{doing} failed: {_first_line(error)}"
    if state is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Retriable(text)
    if state == "42501":
        return Fatal(f"{text}; `headwater check` says what the view's user lacks")
    if state in ("42P01", "42703", "3F000"):
        return Fatal(f"{text}; somebody changed or dropped what Headwater made; rebuild the view")
    if state and state.startswith(_TRANSIENT):
        return Retriable(text)
    return DataError(text) if is_bad_data(error) else Fatal(text)


def is_bad_data(error: psycopg.Error) -> bool:
    """Can a single record have caused this?"""
    return error.sqlstate is not None and error.sqlstate.startswith(_BAD_DATA)


def _first_line(error: psycopg.Error) -> str:
    """The server's message and detail, without the statement and without the row."""
    primary = error.diag.message_primary
    detail = None if error.sqlstate in _WHOLE_ROW else error.diag.message_detail
    if primary:
        return primary + (f" ({detail})" if detail else "")
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def shown(values: Values) -> str:
    """The database for messages: host, port and name."""
    parameters = conninfo(values)
    return f"{parameters.get('host', 'localhost')}:{parameters.get('port', 5432)}/{parameters.get('dbname', '')}"
