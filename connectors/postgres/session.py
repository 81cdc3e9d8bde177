"""Settings of every session that reads values, so that the same value has the same text in snapshot and stream."""

from __future__ import annotations

from typing import Final

SESSION_SETTINGS: Final[dict[str, str]] = {
    "client_encoding": "UTF8",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "xmlbinary": "base64",
    "search_path": "pg_catalog",
}
"""`SET name = value` for a session, or `-c name=value` in its start-up options. Decoders rely on all of them."""


def startup_options() -> str:
    """The settings as libpq's `options` parameter; a walsender takes them no other way."""
    return " ".join(f"-c {name}={value.replace(' ', '')}" for name, value in SESSION_SETTINGS.items())
