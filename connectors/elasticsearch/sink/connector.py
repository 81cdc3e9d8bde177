"""The Elasticsearch view: indices kept up to date from topics, in Elasticsearch or OpenSearch."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.worker.api import Features, Finding, Problem, Sink, SinkConnector, Values

from ..client import connection_problems
from .check import findings
from .generations import ElasticsearchGenerations
from .options import DELETE, NO_STREAM, OPTIONS, UPSERT
from .sink import ElasticsearchSink


class ElasticsearchSinkConnector(SinkConnector):
    options = OPTIONS
    version = "0.1"
    doc = "Keeps indices of Elasticsearch or OpenSearch up to date with topics, and can rebuild them."
    features = Features(deletes=True, generations=True)

    def validate(self, values: Values) -> list[Problem]:
        """Options that could not be parsed are not in `values`; they have a problem of their own already."""
        return [*connection_problems(values), *_writing(values), *_streams(values)]

    def task(self) -> Sink:
        return ElasticsearchSink()

    def check(self, values: Values) -> list[Finding]:
        return findings(values, str(values.get("name", "")))

    def generations(self, values: Values, view: str) -> ElasticsearchGenerations:
        return ElasticsearchGenerations(values, view)


def _writing(values: Values) -> Iterator[Problem]:
    if values.get("write.method") == UPSERT and values.get("key.ignore"):
        yield Problem("write.method", "upsert needs documents by key", "remove key.ignore: true", UPSERT)
    nulls = "behavior.on.null.values"
    if values.get("key.ignore") and values.given(nulls) and values.get(nulls) == DELETE:
        hint = "a document for each record cannot be deleted by key"
        yield Problem(nulls, "has no meaning with key.ignore: true", hint, DELETE)


def _streams(values: Values) -> Iterator[Problem]:
    kind = values.get("data.stream.type")
    if kind is None:
        return
    if kind.lower() == NO_STREAM:
        for name in ("data.stream.dataset", "data.stream.timestamp.field"):
            if values.given(name) and values.get(name):
                yield Problem("data.stream.type", f"required with {name}", "e.g. logs")
        return
    if not values.get("data.stream.dataset"):
        yield Problem("data.stream.dataset", "required with data.stream.type")
    if values.get("write.method") == UPSERT:
        yield Problem("write.method", "a data stream is append-only", "remove write.method: upsert", UPSERT)
    if kind != kind.lower() and kind not in ("LOGS", "METRICS"):
        yield Problem("data.stream.type", "must be in lower case", kind.lower(), kind)
