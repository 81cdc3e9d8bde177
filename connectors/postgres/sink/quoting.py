"""Identifiers and DDL through SQLAlchemy's PostgreSQL dialect."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import ExecutableDDLElement

_DIALECT: Final[Any] = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # named: % stays single


def quoted(name: str) -> str:
    """Always in quotes: no list of reserved words has to be up to date."""
    return str(_DIALECT.identifier_preparer.quote_identifier(name))


def qualified(schema: str, table: str) -> str:
    return f"{quoted(schema)}.{quoted(table)}"


def literal(text: str) -> str:
    """A string constant; standard_conforming_strings is on in every supported server."""
    return "'" + text.replace("'", "''") + "'"


def statement(element: ExecutableDDLElement) -> str:
    """The SQL text of a DDL element of SQLAlchemy Core."""
    return str(element.compile(dialect=_DIALECT)).strip()
