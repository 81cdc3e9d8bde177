"""The Postgres view: tables kept up to date from topics."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.worker.api import Features, Finding, Problem, Sink, SinkConnector, Values

from .check import findings
from .connection import conninfo, has_password
from .generations import PostgresGenerations
from .options import OPTIONS
from .sink import PostgresSink


class PostgresSinkConnector(SinkConnector):
    options = OPTIONS
    version = "0.1"
    doc = "Keeps tables of a PostgreSQL database up to date with topics, exactly once, and can rebuild them."
    features = Features(exactly_once=True, deletes=True, generations=True)

    def validate(self, values: Values) -> list[Problem]:
        """Options that could not be parsed are not in `values`; they have a problem of their own already."""
        return [*_connection(values), *_writing(values)]

    def task(self) -> Sink:
        return PostgresSink()

    def check(self, values: Values) -> list[Finding]:
        return findings(values)

    def generations(self, values: Values, view: str) -> PostgresGenerations:
        return PostgresGenerations(values, view)


def _connection(values: Values) -> Iterator[Problem]:
    if "connection.url" not in values:
        return
    try:
        conninfo(values)
    except ValueError as error:
        yield Problem("connection.url", str(error), "e.g. jdbc:postgresql://localhost:5432/shop")
    if has_password(values["connection.url"]):
        yield Problem("connection.url", "holds a password", "put it in connection.password")


def _writing(values: Values) -> Iterator[Problem]:
    mode, keys = values.get("primary.key.mode"), values.get("primary.key.fields") or []
    if mode is not None and mode != "record_key" and values.given("delete.enabled") and values.get("delete.enabled"):
        hint = "the key alone names a deleted row surely"
        yield Problem("delete.enabled", "needs primary.key.mode: record_key", hint, "true")
    if mode == "record_value" and not keys:
        yield Problem("primary.key.fields", "required with primary.key.mode: record_value")
    if mode in ("kafka", "none") and len(keys) not in (0, 3):
        yield Problem("primary.key.fields", "must be three names, for topic, partition and offset")
    if values.get("insert.mode") == "update":
        yield Problem("insert.mode", "not supported by Headwater", "use upsert", "update")
    if values.get("insert.mode") == "insert" and mode not in ("kafka", "none"):
        hint = "use upsert, or primary.key.mode: kafka for a row for each record"
        yield Problem("insert.mode", "fails at the first change of a row", hint, "insert")
    if values.get("field.include.list") and values.get("field.exclude.list"):
        yield Problem("field.exclude.list", "cannot be used together with field.include.list")
