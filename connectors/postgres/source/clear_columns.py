"""Columns that a mask, a hash or a cut names, and that leave this connector as they are all the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headwater.worker.api import Finding

from ..catalog import Types, read_tables, read_types
from ..types.registry import column_type
from .connection import Connection
from .masking import Masking
from .settings import Settings
from .table import Describer
from .tables import Candidate, TableFilter


def clear_columns(connection: Connection, settings: Settings, tables: Iterable[Candidate]) -> Iterator[Finding]:
    """A warning for each. Raises `Fatal` where message.key.columns names what is no key."""
    masking = Masking(settings.raw)
    if not masking:
        return
    filter = TableFilter(settings.raw)
    describer = Describer(connection, settings, filter)
    types = Types(lambda: read_types(connection))
    for table in read_tables(connection, [table.oid for table in tables]).values():
        key = describer.key_of(table)
        for column in table.columns:
            in_value = filter.captures_column(table.schema, table.name, column.name)
            type = column_type(column, types, settings.modes)
            if type is None or not (in_value or column.name in key):
                continue
            masked = masking.of(table.full_name, column, type, types)
            if masked is None or not (masked.clear or column.name in key):
                continue
            if column.name in key:
                why = "is in the key, where it stays as it is"
                fix = "name another key with message.key.columns, or hash it with HashFields and make the key of that"
            else:
                why = "is no text, and stays in clear"
                fix = "leave it out with column.exclude.list, or hide it with HashFields or EncryptFields"
            message = f"is named by an option column.mask.* or column.truncate.*, but {why}"
            yield Finding("warning", f"{table.full_name}.{column.name}", message, fix)
