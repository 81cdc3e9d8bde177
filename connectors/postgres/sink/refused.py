"""Records that the database refused and that were skipped, by generation: the view rightly lacks them."""

from __future__ import annotations

from collections.abc import Collection

from headwater.worker.api import Record

from .connection import Connection
from .packing import origin_topic
from .quoting import qualified
from .state import is_there

Place = tuple[str, int, int]
"""Topic, partition and offset."""


def place_of(record: Record) -> Place | None:
    """None of a record that no log gave a place."""
    if record.partition is None or record.offset is None:
        return None
    return origin_topic(record), record.partition, record.offset


def remember(connection: Connection, state: str, view: str, generation: int, places: Collection[Place]) -> None:
    """In the transaction that moves the offsets past them."""
    if places:
        connection.execute(
            f"INSERT INTO {state}.refused SELECT %s, %s, * FROM unnest(%s::text[], %s::int[], %s::bigint[]) "  # noqa: S608
            "ON CONFLICT DO NOTHING",
            [view, generation, *_columns(places)],
        )


def forget(connection: Connection, state: str, view: str, generation: int, places: Collection[Place]) -> None:
    """The view has them now, after all; nothing where they were never refused."""
    if places:
        connection.execute(
            f"DELETE FROM {state}.refused WHERE view = %s AND generation = %s AND (topic, partition, record_offset) IN "  # noqa: S608
            "(SELECT * FROM unnest(%s::text[], %s::int[], %s::bigint[]))",
            [view, generation, *_columns(places)],
        )


def refused(connection: Connection, state: str, view: str, generation: int) -> set[Place]:
    if not is_there(connection, qualified(state, "refused")):  # made by a Headwater that did not keep them
        return set()
    rows = connection.execute(
        f"SELECT topic, partition, record_offset FROM {state}.refused WHERE view = %s AND generation = %s",  # noqa: S608
        [view, generation],
    )
    return {(topic, partition, offset) for topic, partition, offset in rows}


def _columns(places: Collection[Place]) -> list[list[str] | list[int]]:
    listed = sorted(places)
    return [[p[0] for p in listed], [p[1] for p in listed], [p[2] for p in listed]]
