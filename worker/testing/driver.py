"""What the suite has to know of a connector's other side. An author writes one driver a connector; each test makes a
fresh one.

A driver may do more than it has to. Whichever of these it has, the tests that need it are run as well:

    delete(number)             a source's row goes away                      needed where `features.deletes` is set
    spoil()                    a row that the source cannot read comes
    bad_record(record)         the record, made such that the sink cannot write it
    cut(), mend()              the other side is away, and is back: a server stopped, a file moved
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol

from headwater.worker.api import Record, Type, primitive, struct

__all__ = ["KEY", "VALUE", "Row", "SinkDriver", "SourceDriver", "latest", "record_of"]

KEY = struct({"id": primitive(Type.INT64)})
VALUE = struct({"id": primitive(Type.INT64), "text": primitive(Type.STRING)})


class Row(NamedTuple):
    """`text` None: the row is deleted."""

    id: int
    text: str | None


class SourceDriver(Protocol):
    """Puts rows where the source reads."""

    connector_class: ClassVar[str]
    """The source's name among the entry points `headwater.sources`."""

    def config(self, name: str) -> dict[str, str]:
        """The connector's own options. `name` is unique, letters and digits: for whatever must not be shared."""
        ...

    def topic(self, name: str) -> str:
        """Where the rows then come to lie."""
        return name

    def put(self, numbers: Sequence[int]) -> None:
        """Rows with these numbers appear, in this order, after those that are there."""
        ...

    def number(self, record: Record) -> int | None:
        """Which row a record tells of; None: of no new one."""
        ...


class SinkDriver(Protocol):
    """Reads what the sink has made. Its views are told apart by `target`."""

    connector_class: ClassVar[str]
    """The sink's name among the entry points `headwater.sinks`."""
    appends: ClassVar[bool] = False
    """True: the view has a row for each record. False: one for each key, the newest."""

    def config(self, target: str) -> dict[str, str]:
        """The connector's own options, for the view `target`."""
        ...

    def rows(self, target: str) -> list[Row]:
        """What the view holds now, in any order, each as often as it is there; [] where there is nothing yet."""
        ...


def record_of(topic: str, row: Row) -> Record:
    """What lies on the log for a row: a struct by its key; a tombstone where it is deleted."""
    if row.text is None:
        return Record(topic, {"id": row.id}, None, KEY, None)
    return Record(topic, {"id": row.id}, {"id": row.id, "text": row.text}, KEY, VALUE)


def latest(rows: Sequence[Row], deletes: bool) -> list[Row]:
    """The newest row of each id, in the order of ids."""
    found: dict[int, Row] = {}
    for row in rows:
        if row.text is not None:
            found[row.id] = row
        elif deletes:
            found.pop(row.id, None)
    return sorted(found.values())
