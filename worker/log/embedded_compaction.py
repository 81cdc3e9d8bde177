"""Compaction of the embedded log, in the way of Kafka's log cleaner.

A pass reads the keys of the records that came since the last one (the dirty part), remembers each key's last offset,
then goes through the partition from its begin and deletes what has a successor. Offsets never change. A tombstone goes
`delete.retention.ms` after the pass that compacted it first (KIP-534), so that a reader who is not further behind than
that sees it. The newest record of the partition stays whatever it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from .embedded_format import OFFSET_BITS
from .embedded_prefixes import RECORD_BYTES, PrefixCache
from .embedded_store import Store
from .topic_config import TopicSettingsParsed

_STEP_ROWS: Final = 4000
_MOST_KEY_BYTES: Final = 64 << 20
_KEY_OVERHEAD_BYTES: Final = 120
_FEW_ROWS: Final = 1000
_FEW_ROWS_EVERY_MS: Final = 60_000
_HORIZONS: Final = 64
"""So many points in time are remembered at most per `delete.retention.ms`, to know a tombstone's age by."""


@dataclass(slots=True)
class _Pass:
    """`up_to`: end of the part that this pass makes clean. `last`: key -> last offset, from the dirty part."""

    partition_id: int
    begin: int
    end: int
    up_to: int
    now_ms: int
    removable_before: int
    cleaned: list[tuple[int, int]]
    prefixes: PrefixCache
    last: dict[bytes, int] = field(default_factory=dict)
    tombstone_ms: int | None = None

    def first_cleaned_ms(self, offset: int) -> int:
        """When the record at `offset` was compacted for the first time."""
        return next((at_ms for up_to, at_ms in self.cleaned if offset < up_to), self.now_ms)


def due_for_compaction(store: Store, partition_id: int, settings: TopicSettingsParsed, now_ms: int) -> bool:
    """Enough new records for the work to pay (`min.cleanable.dirty.ratio`), or a tombstone whose time is over."""
    found = store.read(
        "SELECT end_offset, rows, clean_offset, cleaned_ms, tombstone_ms FROM partition WHERE id = ?", (partition_id,)
    )
    if not found:
        return False
    end, rows, clean, cleaned_ms, tombstone_ms = found[0]
    if tombstone_ms is not None and tombstone_ms + settings.delete_retention_ms <= now_ms:
        return True
    dirty = end - clean
    if dirty <= 0 or dirty < rows * settings.min_cleanable_dirty_ratio:
        return False
    return bool(dirty >= _FEW_ROWS or now_ms - cleaned_ms >= _FEW_ROWS_EVERY_MS)


def compact(store: Store, partition_id: int, settings: TopicSettingsParsed, now_ms: int) -> Iterator[None]:
    """One pass. Yields after each step; given up at any of them it leaves a correct, less compact partition."""
    found = store.read(
        "SELECT begin_offset, end_offset, clean_offset, tombstone_ms FROM partition WHERE id = ?", (partition_id,)
    )
    if not found:
        return
    begin, end, clean, tombstone_ms = found[0]
    cleaned = store.read("SELECT up_to, at_ms FROM cleaned WHERE partition = ? ORDER BY up_to", (partition_id,))
    horizon_ms = now_ms - settings.delete_retention_ms
    removable_before = max((up_to for up_to, at_ms in cleaned if at_ms <= horizon_ms), default=0)
    run = _Pass(partition_id, begin, end, max(begin, clean), now_ms, removable_before, cleaned, PrefixCache(store))
    yield from _read_keys(store, run, now_ms - settings.min_compaction_lag_ms)
    if run.up_to <= max(begin, clean) and (tombstone_ms is None or tombstone_ms > horizon_ms):
        return
    yield from _sweep(store, run)
    _finish(store, run, settings)
    yield


def _read_keys(store: Store, run: _Pass, newest_ms: int) -> Iterator[None]:
    """Fill `last` and move `up_to`, to the end or as far as memory and `min.compaction.lag.ms` allow."""
    base = run.partition_id << OFFSET_BITS
    at, held = run.up_to, 0
    while at < run.end:
        rows = store.read(
            "SELECT id, timestamp_ms, key_prefix, key FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            (base | at, base | run.end, _STEP_ROWS),
        )
        if not rows:
            break
        for record_id, timestamp_ms, key_prefix, key in rows:
            if timestamp_ms > newest_ms or held > _MOST_KEY_BYTES:
                run.up_to = record_id - base
                return
            if key is not None:
                if key_prefix is not None:  # the same key may lie under several prefixes
                    key = run.prefixes[key_prefix] + key
                if key not in run.last:
                    held += len(key) + _KEY_OVERHEAD_BYTES
                run.last[key] = record_id - base
        at = rows[-1][0] - base + 1
        yield
    run.up_to = run.end


def _sweep(store: Store, run: _Pass) -> Iterator[None]:
    base = run.partition_id << OFFSET_BITS
    at = run.begin
    while at < run.up_to:
        rows = store.read(
            f"SELECT id, key_prefix, key, value IS NULL, {RECORD_BYTES} FROM record "  # noqa: S608
            "WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            (base | at, base | run.up_to, _STEP_ROWS),
        )
        if not rows:
            return
        gone: list[tuple[int]] = []
        size = 0
        for record_id, key_prefix, key, tombstone, record_bytes in rows:
            offset = record_id - base
            if key_prefix is not None:
                key = run.prefixes[key_prefix] + key
            if not _goes(run, offset, key, tombstone):
                continue
            gone.append((record_id,))
            size += record_bytes
        if gone:
            with store.write() as connection:
                connection.executemany("DELETE FROM record WHERE id = ?", gone)
                connection.execute(
                    "UPDATE partition SET rows = rows - ?, bytes = bytes - ? WHERE id = ?",
                    (len(gone), size, run.partition_id),
                )
        at = rows[-1][0] - base + 1
        yield


def _goes(run: _Pass, offset: int, key: bytes | None, tombstone: bool) -> bool:
    """Whether this record is deleted; notes the age of a tombstone that stays. Records without a key stay."""
    if key is None:
        return False
    if offset < run.last.get(key, -1):
        return True
    if tombstone and offset != run.end - 1:
        if offset < run.removable_before:
            return True
        at_ms = run.first_cleaned_ms(offset)
        run.tombstone_ms = at_ms if run.tombstone_ms is None else min(at_ms, run.tombstone_ms)
    return False


def _finish(store: Store, run: _Pass, settings: TopicSettingsParsed) -> None:
    """Record what is clean now, and since when; drop points in time that no tombstone's age hangs on any more."""
    horizon_ms = run.now_ms - settings.delete_retention_ms
    with store.write() as connection:
        connection.execute(
            "UPDATE partition SET clean_offset = max(clean_offset, ?), cleaned_ms = ?, tombstone_ms = ? WHERE id = ?",
            (run.up_to, run.now_ms, run.tombstone_ms, run.partition_id),
        )
        over = [up_to for up_to, at_ms in run.cleaned if at_ms <= horizon_ms][:-1]
        kept = run.cleaned[len(over) :]
        if kept and kept[-1][0] == run.up_to:
            new = []
        else:
            new = [(run.partition_id, run.up_to, run.now_ms)]
            if len(kept) > 1 and run.now_ms - kept[-2][1] < settings.delete_retention_ms // _HORIZONS:
                # Close together: the later time counts for both, so a tombstone stays a little longer.
                over.append(kept[-1][0])
        connection.executemany(
            "DELETE FROM cleaned WHERE partition = ? AND up_to = ?", [(run.partition_id, up_to) for up_to in over]
        )
        ((there,),) = connection.execute("SELECT count(*) FROM partition WHERE id = ?", (run.partition_id,)).fetchall()
        if there:
            connection.executemany("INSERT INTO cleaned VALUES (?, ?, ?)", new)
