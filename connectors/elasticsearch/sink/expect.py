"""What records should make of the view, computed without the code that writes it.

Shared is `documents` (which fields a record has, and how they look). Versions, partial updates and values that an event
leaves out are folded here anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import orjson

from headwater.worker.api import DataError, ExpectedRow, Record, Values

from .canonical import document_digest
from .documents import Change, Documents, encoded, merged
from .options import UPSERT
from .remembered import Kept, Remembered

TOASTED_FROM: Final = 1000
"""Bytes of a document below which no server has moved a value of the row out of line (it begins at 2 kB)."""


class Expectation:
    """For one reading of the log in order, without the records that the server refused."""

    def __init__(self, values: Values) -> None:
        self._documents = Documents(values)
        self._merges = values["write.method"] == UPSERT
        self._remembered = Remembered()

    def rows(self, records: Iterable[Record]) -> Iterator[ExpectedRow]:
        for record in records:
            try:
                change = self._documents.change(record)
                row = None if change is None else self._row(change)
            except DataError:
                continue  # the view hands such a record over as bad and stays as it was
            if row is not None:
                yield row

    def close(self) -> None:
        self._remembered.close()

    def _row(self, change: Change) -> ExpectedRow | None:
        name = (change.plan.part, change.id)
        key = change.id.encode()
        merges = self._merges and change.version is not None
        earlier = self._remembered.get(name)
        if earlier is not None and _older(change.version, earlier.version):
            return None
        if change.document is None:
            self._remembered.forget(name)
            return ExpectedRow(change.plan.part, key, None, change.version)
        source = encoded(change.document, change.record.where())
        document = orjson.loads(source)
        filled = True
        if merges or change.unfilled:
            base = {} if earlier is None else orjson.loads(earlier.source)
            filled = all(name in base for name in change.unfilled)
            kept = base if merges else {name: base[name] for name in change.unfilled if name in base}
            document = merged(kept, document)
            source = orjson.dumps(document)
        if merges or change.unfilled or (change.plan.toastable and len(source) >= TOASTED_FROM):
            self._remembered.put(name, Kept(source, change.version))
        elif earlier is not None:
            self._remembered.forget(name)
        return ExpectedRow(change.plan.part, key, document_digest(document), change.version, filled)


def _older(version: int | None, held: int | None) -> bool:
    return version is not None and held is not None and version < held
