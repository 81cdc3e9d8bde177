"""Storing a group's offsets within a time limit: librdkafka's own call waits for as long as the brokers are away."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, Final

import confluent_kafka
from confluent_kafka import KafkaException

from headwater.worker.api import Retriable

__all__ = ["BoundedCommit"]


_left_open: Final[list[confluent_kafka.Consumer]] = []


class BoundedCommit:
    """Commits of one client, one after another, on threads of their own; used by one thread."""

    def __init__(self, client: confluent_kafka.Consumer) -> None:
        self._client = client
        self._running: threading.Thread | None = None
        self._error: Exception | None = None

    def commit(self, places: Sequence[confluent_kafka.TopicPartition], timeout_s: float) -> None:
        """Raises `KafkaException`; `Retriable` when the time is over: it may still come to pass later, and whatever
        is committed next comes after it."""
        deadline = time.monotonic() + timeout_s
        self._wait(deadline)  # for one that was given up
        self._error = None
        # A daemon: a process that ends does not wait for brokers that are away.
        self._running = threading.Thread(target=self._run, args=(list(places),), name="commit", daemon=True)
        self._running.start()
        self._wait(deadline)
        if self._error is not None:
            raise self._error

    def send(self, places: Sequence[confluent_kafka.TopicPartition]) -> None:
        """For callbacks of the client, in which a commit on another thread would wait for the callback's own end.
        librdkafka joins the group anew, and so lets others have the partitions, when the brokers have answered; what
        they answer is not told. Raises `KafkaException`."""
        self._client.commit(offsets=list(places), asynchronous=True)

    def close_client(self, timeout_s: float) -> None:
        """A client that still waits for an answer after `timeout_s` seconds is left to the process's end: closing it
        under a running call would end the process."""
        if self._running is not None:
            self._running.join(timeout_s)
            if self._running.is_alive():
                _left_open.append(self._client)
                return
        self._client.close()

    def _wait(self, deadline: float) -> None:
        if self._running is None:
            return
        self._running.join(max(0.0, deadline - time.monotonic()))
        if self._running.is_alive():
            raise Retriable("the brokers did not confirm the group's offsets in time. Headwater tries again")
        self._running = None

    def _run(self, places: list[confluent_kafka.TopicPartition]) -> None:
        try:
            found: Any = self._client.commit(offsets=places, asynchronous=False)
            for place in found or ():
                if place.error is not None:
                    raise KafkaException(place.error)
        except Exception as error:  # raised by the thread that waits
            self._error = error
