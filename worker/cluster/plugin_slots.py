"""Places for calls of plugins: few work at a time, and those that wait for something hold up no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock, Timer

__all__ = ["PluginSlots"]


class PluginSlots:
    """`at_once` calls may begin. One that takes longer than `slow_after_s` hangs, or waits for a server: its place is
    free for the next one from then on, as long as no more than `slow` calls are so."""

    def __init__(self, at_once: int, slow: int, slow_after_s: float) -> None:
        self._quick = BoundedSemaphore(at_once)
        self._slow = BoundedSemaphore(slow)
        self._slow_after_s = slow_after_s

    @contextmanager
    def one(self) -> Iterator[None]:
        """Waits for a place."""
        self._quick.acquire()
        held: list[BoundedSemaphore] = [self._quick]
        lock = Lock()

        def give_way() -> None:
            with lock:
                if held and self._slow.acquire(blocking=False):
                    held.pop().release()
                    held.append(self._slow)

        timer = Timer(self._slow_after_s, give_way)
        timer.daemon = True
        try:
            timer.start()
            yield
        finally:
            timer.cancel()
            with lock:
                held.pop().release()
