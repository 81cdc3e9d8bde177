"""Retention of the embedded log: the oldest records go by age or size, and the begin offset moves on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .embedded_format import OFFSET_BITS
from .embedded_prefixes import RECORD_BYTES
from .embedded_store import Store
from .topic_config import TopicSettingsParsed

_STEP_ROWS: Final = 4000


def delete_expired(store: Store, partition_id: int, settings: TopicSettingsParsed, now_ms: int) -> Iterator[None]:
    """Delete from the begin up to the first record that is young enough, and as long as `retention.bytes` remain.

    Offsets stay as they are and the end offset is kept, also when every record goes. Yields after each step.
    """
    oldest_ms = now_ms - settings.retention_ms if settings.retention_ms >= 0 else None
    base = partition_id << OFFSET_BITS
    while True:
        found = store.read("SELECT begin_offset, end_offset, bytes FROM partition WHERE id = ?", (partition_id,))
        if not found:
            return
        begin, end, held = found[0]
        excess = held - settings.retention_bytes if settings.retention_bytes >= 0 else 0
        if begin == end or (excess <= 0 and not _first_is_older(store, base | begin, base | end, oldest_ms)):
            return
        rows = store.read(
            f"SELECT id, timestamp_ms, {RECORD_BYTES} FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",  # noqa: S608
            (base | begin, base | end, _STEP_ROWS),
        )
        gone = size = 0
        for _, timestamp_ms, record_bytes in rows:
            if excess < size + record_bytes and (oldest_ms is None or timestamp_ms >= oldest_ms):
                break
            gone += 1
            size += record_bytes
        if rows and not gone:
            return
        next_begin = (rows[gone - 1][0] + 1) - base if gone else end
        with store.write() as connection:
            connection.execute("DELETE FROM record WHERE id >= ? AND id < ?", (base | begin, base + next_begin))
            connection.execute(
                "UPDATE partition SET begin_offset = ?, rows = rows - ?, bytes = bytes - ?, "
                "clean_offset = max(clean_offset, ?) WHERE id = ?",
                (next_begin, gone, size, next_begin, partition_id),
            )
        yield


def _first_is_older(store: Store, first: int, end: int, oldest_ms: int | None) -> bool:
    if oldest_ms is None:
        return False
    rows = store.read("SELECT timestamp_ms FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT 1", (first, end))
    return bool(rows) and rows[0][0] < oldest_ms
