"""The admin client of one connection to Kafka, made anew where it may have gone deaf.

After brokers were killed or stood still, librdkafka's (2.16.0) has been seen to wait for the controller for ever while
other clients had long found it again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from headwater.worker.api import HeadwaterError

from .kafka_client_logs import client_logger
from .kafka_errors import Connection, refused_settings

log = logging.getLogger(__name__)

_librdkafka: Final = client_logger(__name__)
_YOUNG_S: Final = 30.0
"""Longer than any request to it: when a client is replaced again, nobody waits for an answer from the one before."""


class Admin:
    """Thread-safe."""

    def __init__(self, settings: Mapping[str, str], connection: Connection, young_s: float = _YOUNG_S) -> None:
        """`settings`: librdkafka's. A client younger than `young_s` seconds is kept. Raises `ConfigError`."""
        self._given: dict[str, Any] = {**settings, "error_cb": connection.heard}
        self._connection = connection
        self._young_s = young_s
        self._lock = threading.Lock()
        self._client = self._make()
        self._before: AdminClient | None = None
        self._made_at = time.monotonic()
        connection.listen = lambda: self._client.poll(0)

    def _make(self) -> AdminClient:
        try:
            return AdminClient(self._given, logger=_librdkafka)
        except (KafkaException, ValueError) as error:
            raise refused_settings(error) from error

    def error(self, error: KafkaException, what: str) -> HeadwaterError:
        """What to raise for a request that failed; see `Connection.error`."""
        return self._connection.error(error, what)

    @property
    def client(self) -> AdminClient:
        """Another one after a request that nobody answered in time."""
        with self._lock:
            if self._connection.unanswered and time.monotonic() - self._made_at > self._young_s:
                log.debug("a request to the brokers was not answered in time; asking with a new client")
                self._connection.unanswered = False
                # requests on their way end with an error where their client goes
                self._before, self._client = self._client, self._make()
                self._made_at = time.monotonic()
            return self._client
