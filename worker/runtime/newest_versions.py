"""The newest version of some keys on the log."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

from headwater.worker.api import VERSION_HEADER, TopicPartition
from headwater.worker.log.contract import Isolation, Log, Message, TopicInfo

__all__ = ["NewestVersions", "remembers_ms", "version_of"]

_POLL_RECORDS = 5_000
_DAY_MS: Final = 24 * 3600 * 1000


def version_of(message: Message) -> int | None:
    text = next((value for name, value in message.headers if name == VERSION_HEADER), None)
    return int(text) if text is not None and text.isdigit() else None


def remembers_ms(info: TopicInfo, begin: Mapping[TopicPartition, int]) -> int | None:
    """How long whatever is written to the topic can be found there, or something newer of its key; milliseconds, None:
    for ever. Nothing was deleted by age or size as long as the topic has its first offsets."""
    config, limits = info.config, []
    policy = config.get("cleanup.policy", "delete")
    if "compact" in policy:
        limits.append(int(config.get("delete.retention.ms", _DAY_MS)))
    if "delete" in policy and any(begin[TopicPartition(info.name, n)] > 0 for n in range(info.partitions)):
        by_size = int(config.get("retention.bytes", -1)) >= 0
        age_ms = int(config.get("retention.ms", 7 * _DAY_MS))
        limits += [0] if by_size else [age_ms] if age_ms >= 0 else []
    return min(limits, default=None)


class NewestVersions:
    """`asked`: messages with keys, not yet written. Reads their topics from the beginning."""

    def __init__(self, the_log: Log, asked: Iterable[Message]) -> None:
        self._log = the_log
        self._wanted: dict[str, set[bytes]] = {}
        for message in asked:
            if message.key is not None:
                self._wanted.setdefault(message.topic, set()).add(message.key)
        self._found: dict[tuple[str, bytes], int | None] = {}
        self._partitions: list[TopicPartition] = []
        self._remembered_ms: dict[str, int | None] = {}
        self._consumer = the_log.consumer()
        self._take_in(self._wanted)

    def _take_in(self, topics: Iterable[str]) -> None:
        infos = self._log.topics(topics).values()
        added = [TopicPartition(info.name, n) for info in infos for n in range(info.partitions)]
        if not added:
            return
        begin = self._log.begin_offsets(added)
        self._remembered_ms |= {info.name: remembers_ms(info, begin) for info in infos}
        self._consumer.assign({**(self._consumer.position() if self._partitions else {}), **begin})
        self._partitions += added

    def read(self, budget_s: float, whole: bool = False) -> bool:
        """Read on; True once the present end was reached. `whole`: over transactions that are still open, and in topics
        that were made meanwhile; what this task has in hand must be durable then."""
        missing = self._wanted.keys() - self._remembered_ms.keys()
        if whole and missing:
            self._take_in(missing)
        if not self._partitions:
            return True
        deadline = time.monotonic() + budget_s
        ends = self._log.end_offsets(
            self._partitions, Isolation.READ_UNCOMMITTED if whole else Isolation.READ_COMMITTED
        )
        while any(at < ends[tp] for tp, at in self._consumer.position().items()):
            if time.monotonic() > deadline:
                return False
            for message in self._consumer.poll(_POLL_RECORDS, 0.1):
                self._look(message)
        return True

    def _look(self, message: Message) -> None:
        if message.key is None or message.key not in self._wanted[message.topic]:
            return
        at, version = (message.topic, message.key), version_of(message)
        known = self._found.get(at, -1)
        self._found[at] = None if version is None or known is None else max(known, version)

    def fate(self, message: Message, failed_ms: int | None) -> str:
        """`replayed`: the log has nothing that is as new; `superseded`: it has something newer; else why nobody can
        tell. `failed_ms`: since when it is missing there, milliseconds since 1970, as far as that is known."""
        assert message.key is not None
        newest = self._found.get((message.topic, message.key), -1)
        version = version_of(message)
        if newest == -1:
            remembered_ms = self._remembered_ms.get(message.topic)
            if message.value is None or remembered_ms is None:
                return "replayed"
            if failed_ms is not None and time.time_ns() // 1_000_000 - failed_ms < remembered_ms:
                return "replayed"
            return "the topic has nothing of its key, and keeps deletes for less time than has passed since it "\
                "failed: nobody can tell whether the row was deleted meanwhile"  # fmt: skip
        if newest is None or version is None:
            return "the topic has records of its key, and records of this source have no versions: nobody can tell "\
                "which is newer"  # fmt: skip
        if newest == version:
            return "the same transaction has changed the row more than once, and the topic has another of these changes"
        return "superseded" if newest > version else "replayed"

    def close(self) -> None:
        self._consumer.close()
