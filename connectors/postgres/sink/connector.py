"""The Postgres view: tables kept up to date from topics."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.worker.api import Features, Finding, Problem, Sink, SinkConnector, Values

from .check import findings
from .connection import conninfo, has_password
from .generations import PostgresGenerations
from .meanings import contradictions
from .options import OPTIONS
from .sink import PostgresSink


class PostgresSinkConnector(SinkConnector):
    options = OPTIONS
    version = "0.1"
    doc = "Keeps tables of a PostgreSQL database up to date with topics, exactly once, and can rebuild them."
    features = Features(exactly_once=True, deletes=True, generations=True)

    def validate(self, values: Values) -> list[Problem]:
        """Options that could not be parsed are not in `values`; they have a problem of their own already."""
        return [*_connection(values), *contradictions(values)]

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
        hint = "put it in connection.password, or connection.sslpassword"
        yield Problem("connection.url", "holds a password", hint)
