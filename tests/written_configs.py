"""The config topic as a test writes it: as any worker would, fenced off by nobody."""

from __future__ import annotations

from contextlib import closing

from headwater.worker.cluster.config_records import Records, config_messages
from headwater.worker.log import Log

__all__ = ["write_configs"]


def write_configs(log: Log, topic: str, records: Records) -> None:
    """Durable when it returns."""
    with closing(log.producer()) as producer:
        producer.send(config_messages(topic, records))
        producer.flush()
