"""Ctrl-C and SIGTERM as an event, also in programs that were started with SIGINT ignored."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import FrameType
from typing import Final

STARTING_TICK_S: Final = 0.02


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; the second of them interrupts whatever goes on."""
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def start_unless_stopped(start: Callable[[], None], stopping: threading.Event) -> None:
    """Ctrl-C is not kept waiting by brokers that do not answer: nothing runs yet that would have to be ended.

    Raises what `start` raises; `KeyboardInterrupt` where `stopping` is set before it is done.
    """
    started: Future[None] = Future()

    def run() -> None:
        try:
            start()
            started.set_result(None)
        except BaseException as error:
            started.set_exception(error)

    threading.Thread(target=run, name="start", daemon=True).start()
    while not started.done():
        if stopping.wait(STARTING_TICK_S):
            raise KeyboardInterrupt
    started.result()
