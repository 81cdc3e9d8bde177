"""The file connectors keep the contract."""

from __future__ import annotations

from headwater.worker.testing import SinkContract, SourceContract
from tests.contract.connectors.drivers import LOGS
from tests.contract.connectors.drivers.files import FileSourceDriver, FileStreamSinkDriver, FileStreamSourceDriver


class TestFileSource(SourceContract):
    driver_type = FileSourceDriver
    logs = LOGS


class TestFileStreamSource(SourceContract):
    driver_type = FileStreamSourceDriver
    logs = LOGS


class TestFileStreamSink(SinkContract):
    driver_type = FileStreamSinkDriver
    logs = LOGS
