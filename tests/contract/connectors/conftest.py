"""What the contracts of the connectors need of servers."""

from __future__ import annotations

import pytest

from tests.servers.kafka import KafkaServer


@pytest.fixture
def kafka_bootstrap(kafka: KafkaServer) -> str:
    """The suite's second log: the shared broker."""
    return kafka.bootstrap
