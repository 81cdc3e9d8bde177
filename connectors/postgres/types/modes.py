"""The options that decide how PostgreSQL values appear in events: Debezium's names, choices and defaults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ValueModes:
    """Each field names the Debezium option it stands for, and its choices; defaults are Debezium's."""

    decimal: str = "precise"
    """decimal.handling.mode: precise, double, string."""
    time_precision: str = "adaptive"
    """time.precision.mode: adaptive, adaptive_time_microseconds, connect, isostring, microseconds, nanoseconds."""
    binary: str = "bytes"
    """binary.handling.mode: bytes, base64, base64-url-safe, hex."""
    interval: str = "numeric"
    """interval.handling.mode: numeric, string."""
    hstore: str = "json"
    """hstore.handling.mode: json, map."""
    money_fraction_digits: int = 2
    """money.fraction.digits."""
    include_unknown: bool = False
    """include.unknown.datatypes."""
    unavailable_placeholder: bytes = b"__debezium_unavailable_value"
    """unavailable.value.placeholder, its `hex:` form already decoded."""
