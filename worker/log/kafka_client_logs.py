"""What librdkafka logs, without its echo: while a broker is away each client says so several times a second."""

from __future__ import annotations

import logging
import re
import threading
import time
from typing import Final

__all__ = ["client_logger"]

EVERY_S: Final = 60.0
_MOST: Final = 200
_NUMBERS: Final = re.compile(r"\d+")


class _WithoutEcho(logging.Filter):
    """Lines that differ in numbers alone (client, port, duration) count as the same."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        line = _NUMBERS.sub("#", record.getMessage())
        now = time.monotonic()
        with self._lock:
            if now - self._said.get(line, -EVERY_S) < EVERY_S:
                return False
            if len(self._said) >= _MOST:
                self._said.clear()
            self._said[line] = now
        return True


_without_echo: Final = _WithoutEcho()


def client_logger(module: str) -> logging.Logger:
    """The logger to give to a client of `module`. A line comes once in `EVERY_S` seconds, from all clients together."""
    logger = logging.getLogger(f"{module}.client")
    logger.addFilter(_without_echo)  # the same one is added once
    return logger
