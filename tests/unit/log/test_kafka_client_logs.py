"""A broker that is away is told of once, not ten times a second."""

from __future__ import annotations

import pytest

from headwater.worker.log.kafka_client_logs import client_logger


def test_lines_that_differ_in_numbers_come_once(caplog: pytest.LogCaptureFixture) -> None:
    first, second = client_logger("test.one"), client_logger("test.two")
    for port in range(3):
        first.error("FAIL %s", f"[headwater#consumer-{port}]: 127.0.0.1:{port}: Connection refused (after {port}ms)")
        second.error("FAIL %s", f"[headwater#consumer-{port}]: 127.0.0.1:{port}: Connection refused (after {port}ms)")
    second.error("FAIL [headwater#producer-1]: authentication failed")
    assert [record.getMessage() for record in caplog.records] == [
        "FAIL [headwater#consumer-0]: 127.0.0.1:0: Connection refused (after 0ms)",
        "FAIL [headwater#producer-1]: authentication failed",
    ]
    assert client_logger("test.one").filters == first.filters and len(first.filters) == 1
