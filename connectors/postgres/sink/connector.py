"""The Postgres view: tables kept up to date from topics."""

from __future__ import annotations

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
        problems = []
        try:
            conninfo(values)
        except ValueError as error:
            problems.append(Problem("connection.url", str(error), "e.g. jdbc:postgresql://localhost:5432/shop"))
        if has_password(values["connection.url"]):
            problems.append(Problem("connection.url", "holds a password", "put it in connection.password"))
        mode, keys = values["primary.key.mode"], values["primary.key.fields"]
        if mode == "record_value" and not keys:
            problems.append(Problem("primary.key.fields", "required with primary.key.mode: record_value"))
        if mode in ("kafka", "none") and len(keys) not in (0, 3):
            problems.append(Problem("primary.key.fields", "must be three names, for topic, partition and offset"))
        if values["insert.mode"] == "update":
            problems.append(Problem("insert.mode", "not supported by Headwater", "use upsert", "update"))
        if values["insert.mode"] == "insert" and mode not in ("kafka", "none"):
            hint = "use upsert, or primary.key.mode: kafka for a row for each record"
            problems.append(Problem("insert.mode", "fails at the first change of a row", hint, "insert"))
        if values["field.include.list"] and values["field.exclude.list"]:
            problems.append(Problem("field.exclude.list", "cannot be used together with field.include.list"))
        return problems

    def task(self) -> Sink:
        return PostgresSink()

    def check(self, values: Values) -> list[Finding]:
        return findings(values)

    def generations(self, values: Values, view: str) -> PostgresGenerations:
        return PostgresGenerations(values, view)
