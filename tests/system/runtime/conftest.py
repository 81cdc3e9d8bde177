from __future__ import annotations

import secrets

import pytest

from tests import plugins
from tests.servers.kafka import KafkaServer

from .scene import kafka_settings

plugins.install()


@pytest.fixture
def on_kafka(kafka: KafkaServer) -> dict[str, str]:
    """Settings of a worker on the shared broker, with names of its own."""
    return kafka_settings(kafka.bootstrap, f"t{secrets.token_hex(4)}")


@pytest.fixture(params=["embedded", "kafka"])
def any_log(request: pytest.FixtureRequest) -> dict[str, str]:
    """A worker's settings: runs the test on both logs."""
    settings: dict[str, str] = {} if request.param == "embedded" else request.getfixturevalue("on_kafka")
    return settings
