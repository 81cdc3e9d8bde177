"""Large values that an update left unchanged: the server does not send them, so they are found elsewhere.

In order: in the old row (replica identity full), in an earlier change of the same row in the same batch, in the table
itself as it is now. What is read there may be newer than the change; the changes that made it so follow in the stream.
A row that is not there any more is deleted, or gets another key, further on in the stream; the placeholder may stand
for its value until then.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from headwater.worker.api import DataError, Record

from ..types.fallback import fallback
from . import chunks
from .connection import Connection
from .events import TableEvents
from .failures import failure, sqlstate
from .pgoutput import UNCHANGED, Row, Update, Value
from .table import Describer
from .visibility import await_visible

KEYS_A_QUERY = 500
_GONE = ("42P01", "42703", "42883", "22P02", "42846")  # table, column, operator; a value that its type refuses
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Missing:
    """`names`: columns of the row in `record` that are still to be filled in; `key`: the row's key as text; `values`:
    the row as it came."""

    record: Record
    events: TableEvents
    names: tuple[str, ...]
    key: tuple[str, ...]
    values: Row


def fill_from_old(message: Update) -> None:
    """Unchanged values that the old row brings (all of them, or those of a changed key) are put into the new one."""
    if message.old is None:
        return
    for at, value in enumerate(message.new):
        if value is UNCHANGED and (message.old_kind == "O" or message.old[at] is not None):
            message.new[at] = message.old[at]


def without_unchanged(row: Sequence[Value]) -> Row:
    """To decode a row before its missing values are there."""
    return [None if value is UNCHANGED else value for value in row]


class Reselect:
    """Fills in what is missing in one batch after another."""

    def __init__(self, describer: Describer) -> None:
        self._describer = describer

    def fill(self, records: Iterable[Record], missing: Sequence[Missing]) -> None:
        """`records`: the whole batch, in order; `missing`: of its records, in order. Raises `Retriable`, `Fatal`."""
        still = _fill_from_batch(records, missing)
        if still:
            await_visible(self._describer.connection, (item.record.value["source"]["txId"] for item in still))
        groups: dict[int, list[Missing]] = {}
        for item in still:
            groups.setdefault(id(item.events), []).append(item)
        for group in groups.values():
            for start in range(0, len(group), KEYS_A_QUERY):
                self._fill_from_table(group[start : start + KEYS_A_QUERY])

    def _fill_from_table(self, group: Sequence[Missing]) -> None:
        events = group[0].events
        columns = tuple(dict.fromkeys(name for item in group for name in item.names))
        found = self._select(events, columns, list({item.key: None for item in group}))
        for item in group:
            known = _decode(item, found.get(item.key))
            item.record.value["after"].update({name: known[name] for name in item.names})

    def _select(
        self, events: TableEvents, columns: tuple[str, ...], keys: Sequence[tuple[str, ...]]
    ) -> dict[tuple[str, ...], dict[str, bytes | None]]:
        table, key = events.codec.table, events.codec.key_columns
        try:
            relation = self._describer.raw_reader(table, (*key, *columns), key)
            if len(relation.types) != len(key):
                return {}
            return _raw_rows(self._describer.connection, relation, keys)
        except psycopg.Error as error:
            if sqlstate(error) in _GONE:
                _log.warning("%s changed since: values that were not sent cannot be read (%s)", table.full_name, error)
                return {}
            raise failure(error, f"reading large values of {table.full_name} that an update left unchanged") from None


def _raw_rows(
    connection: Connection, relation: chunks.Relation, keys: Sequence[tuple[str, ...]]
) -> dict[tuple[str, ...], dict[str, bytes | None]]:
    result = connection.execute(chunks.select_by_keys(relation, keys)).pgresult
    assert result is not None
    width = len(relation.key)
    found: dict[tuple[str, ...], dict[str, bytes | None]] = {}
    for number in range(result.ntuples):
        cells = [result.get_value(number, at) for at in range(result.nfields)]
        key = tuple((cell or b"").decode() for cell in cells[:width])
        found[key] = dict(zip(relation.columns[width:], cells[width:], strict=True))
    return found


def _fill_from_batch(records: Iterable[Record], missing: Sequence[Missing]) -> list[Missing]:
    """Values of earlier changes in the batch; returns what is missing still."""
    open_items = {id(item.record): item for item in missing}
    latest: dict[tuple[str, str], tuple[dict[str, Any], frozenset[str]]] = {}
    topics = {item.record.topic for item in missing}
    still = []
    for record in records:
        if record.topic not in topics or record.value is None:
            continue
        place = (record.topic, repr(record.key))
        after = record.value["after"]
        item = open_items.get(id(record))
        unknown: frozenset[str] = frozenset()
        if item is not None:
            known, gaps = latest.get(place, ({}, frozenset(item.names)))
            unknown = frozenset(name for name in item.names if name in gaps or name not in known)
            after.update({name: known[name] for name in item.names if name not in unknown})
            if unknown:
                still.append(Missing(item.record, item.events, tuple(sorted(unknown)), item.key, item.values))
        if after is None:
            latest.pop(place, None)
        else:
            latest[place] = (after, unknown)
    return still


def _decode(item: Missing, found: dict[str, bytes | None] | None) -> dict[str, Any]:
    """The row with the values of `found`; without a row, with placeholders."""
    events, values = item.events, list(item.values)
    if found is not None:
        for at, name in enumerate(events.delivered):
            if values[at] is UNCHANGED:
                values[at] = found.get(name)
    try:
        return events.codec.decode_row(values)
    except DataError:  # a type without a placeholder; the value follows or the row goes
        row = events.codec.decode_row(without_unchanged(values))
        for name in item.names:
            schema = events.codec.row_schema.get(name)
            row[name] = None if schema is None else fallback(schema)
        return row
