"""The connectors of other clusters keep the contract."""

from __future__ import annotations

import pytest

from headwater.worker.testing import SinkContract, SourceContract
from tests.contract.connectors.drivers import LOGS
from tests.contract.connectors.drivers.kafka import KafkaSinkDriver, KafkaSourceDriver
from tests.servers.kafka import KafkaServer


class TestKafkaSource(SourceContract):
    driver_type = KafkaSourceDriver
    logs = LOGS

    @pytest.fixture
    def driver(self, kafka: KafkaServer) -> KafkaSourceDriver:
        return KafkaSourceDriver(kafka.bootstrap)


class TestKafkaSink(SinkContract):
    driver_type = KafkaSinkDriver
    logs = LOGS

    @pytest.fixture
    def driver(self, kafka: KafkaServer) -> KafkaSinkDriver:
        return KafkaSinkDriver(kafka.bootstrap)
