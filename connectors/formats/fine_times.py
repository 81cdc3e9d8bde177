"""Names of Debezium's logical types for times finer than Connect's milliseconds: whole numbers, which sinks know."""

from __future__ import annotations

from typing import Final

MICRO_TIME: Final = "io.debezium.time.MicroTime"
NANO_TIME: Final = "io.debezium.time.NanoTime"
MICRO_TIMESTAMP: Final = "io.debezium.time.MicroTimestamp"
NANO_TIMESTAMP: Final = "io.debezium.time.NanoTimestamp"
