"""What a broker does by itself, done here in small steps: retention, compaction, removal of deleted topics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from .embedded_catalog import Catalog
from .embedded_compaction import compact, due_for_compaction
from .embedded_format import OFFSET_BITS
from .embedded_retention import delete_expired
from .embedded_store import Store
from .file_lock import FileLock
from .storage_errors import storage_errors

_LOOK_EVERY_S: Final = 1.0
_STEP_ROWS: Final = 4000
_VACUUM_PAGES: Final = 512
_FREE_PAGES_KEPT: Final = 4096


class Maintenance:
    """Remembers how far it has come between calls, and keeps other processes from the same work until it is through.
    It dies with its process without harm: the next one starts anew."""

    def __init__(
        self, path: Path, clock_ms: Callable[[], int] | None = None, look_every_s: float = _LOOK_EVERY_S
    ) -> None:
        self._store = Store(path)
        self._catalog = Catalog(self._store)
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        with storage_errors(path):
            self._lock = FileLock(path.with_name(path.name + "-maintenance"))
        self._work: Iterator[None] | None = None
        self._look_every_s = look_every_s
        self._looked_at = -look_every_s

    def run(self, budget_s: float) -> bool:
        """Work for about `budget_s` seconds, a step (some ms of the writer's lock) at least. True: more is waiting."""
        deadline = time.monotonic() + budget_s
        if self._work is None:
            if time.monotonic() - self._looked_at < self._look_every_s or not self._lock.acquire(0.0):
                return False
            self._looked_at = time.monotonic()
            self._work = self._all_work()
        try:
            for _ in self._work:
                if time.monotonic() >= deadline:
                    return True
        except BaseException:
            self._end()
            raise
        self._end()
        return False

    def _end(self) -> None:
        self._work = None
        self._lock.release()

    def close(self) -> None:
        self._work = None
        self._store.close()
        self._lock.close()

    def _all_work(self) -> Iterator[None]:
        """Yields after each step that changed something."""
        yield from self._remove_garbage()
        self._catalog.refresh()
        for topic in list(self._catalog.topics().values()):
            for key in topic.partition_ids:
                now_ms = self._clock_ms()
                if topic.settings.delete:
                    yield from delete_expired(self._store, key, topic.settings, now_ms)
                if topic.settings.compact and due_for_compaction(self._store, key, topic.settings, now_ms):
                    yield from compact(self._store, key, topic.settings, now_ms)
        yield from self._shrink()

    def _remove_garbage(self) -> Iterator[None]:
        for (key,) in self._store.read("SELECT partition FROM garbage"):
            bounds = (key << OFFSET_BITS, (key + 1) << OFFSET_BITS)
            while True:
                with self._store.write() as connection:
                    gone = connection.execute(
                        "DELETE FROM record WHERE id IN (SELECT id FROM record WHERE id >= ? AND id < ? LIMIT ?)",
                        (*bounds, _STEP_ROWS),
                    ).rowcount
                    if gone == 0:
                        connection.execute("DELETE FROM prefix WHERE partition = ?", (key,))
                        connection.execute("DELETE FROM garbage WHERE partition = ?", (key,))
                yield
                if gone == 0:
                    break

    def _shrink(self) -> Iterator[None]:
        """Give space back once half of the file is free; less is kept for new records."""
        while True:
            ((free,),) = self._store.read("PRAGMA freelist_count")
            ((pages,),) = self._store.read("PRAGMA page_count")
            if free <= _FREE_PAGES_KEPT or free * 2 <= pages:
                return
            self._store.give_back_pages(_VACUUM_PAGES)
            yield
