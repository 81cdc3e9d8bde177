"""What every part of a worker needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headwater.worker.log.contract import Log
from headwater.worker.runtime.internal_topics import InternalTopics

__all__ = ["Surroundings"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`settings`: the worker's options as written, `${…}` unexpanded. `worker_id`: host:port of its REST."""

    log: Log
    settings: Mapping[str, str]
    data_dir: Path
    worker_id: str
    topics: InternalTopics
