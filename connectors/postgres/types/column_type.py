"""How the values of one column look in an event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headwater.worker.api import Schema


class Undecodable(ValueError):
    """A value that its type cannot express in an event. The message says why and what the user can do."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """`decode` turns the text that PostgreSQL sends, never NULL, into a value of `schema`; it raises `ValueError`.

    `schema` is required and has no default; the column adds both. `placeholder`: what stands for an unchanged TOASTed
    value where the schema alone does not tell (connectors/debezium/placeholder.py), else None.
    """

    schema: Schema
    decode: Callable[[bytes], Any]
    placeholder: Any = None
