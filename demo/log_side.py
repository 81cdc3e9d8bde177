"""What the log itself holds: every topic folded to the latest row of each key, independent of any view."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson

from headwater.worker.api import TopicPartition
from headwater.worker.log import open_log


def rows_on_log(settings: Mapping[str, str], data: Path, topics: Mapping[str, str]) -> dict[str, int]:
    """Rows by table name; `settings`, `data`: the worker's; `topics`: topic by table name."""
    log = open_log(settings, data)
    try:
        rows: dict[str, int] = {}
        for table, topic in topics.items():
            partitions = [TopicPartition(topic, n) for n in range(log.topics([topic])[topic].partitions)]
            ends = log.end_offsets(partitions)
            consumer = log.consumer()
            consumer.assign(log.begin_offsets(partitions))
            there: set[bytes] = set()
            while any(offset < ends[tp] for tp, offset in consumer.position().items()):
                for message in consumer.poll(5000, 1.0):
                    assert message.key is not None
                    if message.value is None or orjson.loads(message.value)["payload"]["op"] == "d":
                        there.discard(message.key)
                    else:
                        there.add(message.key)
            consumer.close()
            rows[table] = len(there)
        return rows
    finally:
        log.close()
