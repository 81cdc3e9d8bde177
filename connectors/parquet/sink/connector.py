"""The Parquet view: files in a folder or on S3, kept up to date from topics."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.worker.api import Features, Finding, Problem, Sink, SinkConnector, Values

from ..storage import storage_problems
from .check import findings
from .generations import ParquetGenerations
from .options import CHANGE_LOG, LATEST_STATE, OPTIONS, partitioner
from .sink import ParquetSink


class ParquetSinkConnector(SinkConnector):
    options = OPTIONS
    version = "0.1"
    doc = "Keeps Parquet files, locally or on S3, up to date with topics, exactly once, and can rebuild them."
    features = Features(exactly_once=True, deletes=True, generations=True)

    def validate(self, values: Values) -> list[Problem]:
        """Options that could not be parsed are not in `values`; they have a problem of their own already."""
        found = list(_content(values))
        if all(name in values for name in ("path", "s3.bucket.name", "topics.dir")):
            found += storage_problems(values)
        return found

    def task(self) -> Sink:
        return ParquetSink()

    def check(self, values: Values) -> list[Finding]:
        return findings(values)

    def generations(self, values: Values, view: str) -> ParquetGenerations:
        return ParquetGenerations(values, view)


def _content(values: Values) -> Iterator[Problem]:
    kind = partitioner(values) if "partitioner.class" in values else "none"
    if kind == "field" and not values.get("partition.field.name"):
        yield Problem("partition.field.name", "required with partitioner.class: field")
    if values.get("view.mode") == LATEST_STATE:
        hint = "a row would have to move between folders; use view.mode: change.log"
        if kind != "none":
            yield Problem("partitioner.class", "a latest state cannot be divided", hint)
        for name in ("change.event.format", "behavior.on.null.values", "metadata.columns", "rotate.interval.ms"):
            if values.given(name):
                yield Problem(name, f"has a meaning with view.mode: {CHANGE_LOG} only", "remove the option")
