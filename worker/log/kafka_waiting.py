"""Asks again while a cluster sorts itself out: leaders and coordinators move, new topics are not known everywhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException

PASSING: Final = frozenset(
    {
        KafkaError._DESTROY_BROKER,
        KafkaError._NOENT,  # "No leaders found"
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.CONCURRENT_TRANSACTIONS,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
    }
)
PAUSE_S: Final = 0.05
_Answer = TypeVar("_Answer")


def patiently(call: Callable[[], _Answer], timeout_s: float) -> _Answer:
    """What `call` returns; its `KafkaException` once it is none of `PASSING` or `timeout_s` seconds are over."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return call()
        except KafkaException as error:
            if error.args[0].code() not in PASSING or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_S)
