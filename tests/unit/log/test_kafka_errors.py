"""What brokers and librdkafka report, as errors that steer the runtime."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from headwater.worker.api import Retriable
from headwater.worker.log.kafka_errors import Connection


@pytest.mark.parametrize(
    "code", [KafkaError._NOENT, KafkaError._DESTROY_BROKER, KafkaError._TRANSPORT, KafkaError.LEADER_NOT_AVAILABLE]
)
def test_a_broker_that_leaves_is_waited_for(code: int) -> None:
    error = Connection("kafka:9092").error(KafkaError(code), "the offsets of t-0 could not be read")
    assert isinstance(error, Retriable)
    assert "the offsets of t-0 could not be read" in str(error)
    assert "kafka:9092" in str(error)


def test_a_clock_that_is_ahead_is_thought_of() -> None:
    error = Connection("kafka:9092").error(KafkaError(KafkaError.INVALID_TIMESTAMP), "records could not be sent")
    assert not isinstance(error, Retriable)
    assert "clock" in str(error) and "message.timestamp.after.max.ms" in str(error)
