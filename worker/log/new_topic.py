"""A topic that several processes may be about to make at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from headwater.worker.api import Retriable

from .contract import Log, TopicExists, TopicInfo

__all__ = ["make_topic"]

_SEEN_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.1


def make_topic(log: Log, name: str, partitions: int, config: Mapping[str, str]) -> tuple[TopicInfo, bool]:
    """The topic, and whether this call has made it; where somebody else was faster, theirs.

    Raises `LogError`; `Retriable` for one that somebody else makes and that no broker tells of yet.
    """
    try:
        return log.create_topic(name, partitions, config), True
    except TopicExists:
        deadline = time.monotonic() + _SEEN_S
        while (info := log.topics([name]).get(name)) is None:
            if time.monotonic() > deadline:
                raise Retriable(
                    f"topic {name} is being made by another process, but is not there after {_SEEN_S:.0f} s. Headwater "
                    "tries again"
                ) from None
            time.sleep(_LOOK_EVERY_S)
        return info, False
