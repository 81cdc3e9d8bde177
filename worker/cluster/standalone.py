"""A worker that stands alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .alone import Alone
from .worker import Worker

__all__ = ["Standalone"]


class Standalone(Worker):
    """Leads a group of one."""

    def __init__(self, settings: Mapping[str, str], data_dir: Path, worker_id: str = "127.0.0.1:8083") -> None:
        super().__init__(settings, data_dir, worker_id, Alone())
