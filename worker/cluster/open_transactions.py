"""Transactions that a killed worker's rebuild jobs have left open on the worker's own topics.

Readers wait for such a transaction until the broker ends it, a minute later. A worker that starts ends it itself, by
beginning anew under its transactional id: the job that wrote it is started again in any case.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import closing
from typing import Final

from headwater.worker.api import TopicPartition
from headwater.worker.log.contract import Isolation, Log
from headwater.worker.runtime.internal_topics import InternalTopics

from .view_records import view_writer_id, viewed

__all__ = ["end_open_transactions"]

log = logging.getLogger(__name__)

_POLL_RECORDS: Final = 5000


def end_open_transactions(the_log: Log, topics: InternalTopics, settings: Mapping[str, str]) -> None:
    """Returns at once where there is none. Raises `LogError`, `Retriable`."""
    partition = TopicPartition(topics.views, 0)
    whole = the_log.end_offsets([partition], Isolation.READ_UNCOMMITTED)[partition]
    first = the_log.end_offsets([partition], Isolation.READ_COMMITTED)[partition]
    if first >= whole:
        return
    for view in _views(the_log, partition, first, whole):
        log.info("a job of view %s was killed while it wrote; what it had begun is undone", view)
        with closing(the_log.producer(view_writer_id(settings, view))) as producer:
            producer.init_transactions()


def _views(the_log: Log, partition: TopicPartition, first: int, until: int) -> set[str]:
    """Names of the views that are written about between these offsets, in whatever transaction."""
    found: set[str] = set()
    with closing(the_log.consumer(isolation=Isolation.READ_UNCOMMITTED)) as consumer:
        consumer.assign({partition: first})
        while consumer.position()[partition] < until:
            found.update(viewed(message.key) for message in consumer.poll(_POLL_RECORDS, 1.0) if message.key)
    return found - {""}
