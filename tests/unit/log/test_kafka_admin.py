"""A client that did not get an answer is replaced once it is old enough."""

from __future__ import annotations

from confluent_kafka import KafkaError

from headwater.worker.api import Retriable
from headwater.worker.log.kafka_admin import Admin
from headwater.worker.log.kafka_errors import Connection

NOWHERE = {"bootstrap.servers": "127.0.0.1:1", "log_level": "0"}


def test_a_client_that_is_not_answered_is_replaced() -> None:
    connection = Connection("127.0.0.1:1")
    admin = Admin(NOWHERE, connection, young_s=0)
    first = admin.client
    assert admin.client is first
    assert isinstance(connection.error(KafkaError(KafkaError._TIMED_OUT), "asking"), Retriable)
    second = admin.client
    assert second is not first
    assert admin.client is second


def test_a_young_client_is_kept() -> None:
    connection = Connection("127.0.0.1:1")
    admin = Admin(NOWHERE, connection)
    first = admin.client
    connection.error(KafkaError(KafkaError._TIMED_OUT), "asking")
    assert admin.client is first
