"""A task of the view to give records to, and its options."""

from __future__ import annotations

import itertools
import os
from typing import Any

from headwater.connectors.elasticsearch.sink import ElasticsearchSinkConnector
from headwater.connectors.elasticsearch.sink.generations import ElasticsearchGenerations
from headwater.connectors.elasticsearch.sink.sink import ElasticsearchSink
from headwater.worker.api import TopicPartition, Values
from tests.servers.elasticsearch import SearchServer
from tests.sink_task import SinkTask

_numbers = itertools.count(1)


def parsed(url: str, distribution: str, **options: str) -> Values:
    """Parsed options; `_` in a name stands for a dot."""
    raw: dict[str, str | None] = {
        "connection.url": url, "distribution": distribution, "retry.backoff.ms": "20",
        "index.settings": '{"number_of_replicas": 0}',
    }  # fmt: skip
    raw |= {name.replace("_", "."): value for name, value in options.items()}
    values, problems = ElasticsearchSinkConnector.options.parse(raw)
    problems += ElasticsearchSinkConnector().validate(values)
    assert not problems, problems
    return values


def values(server: SearchServer, **options: str) -> Values:
    return parsed(server.url, server.distribution, **options)


def fresh(word: str = "shop") -> str:
    """A name that no other test uses."""
    return f"{word}{os.getpid()}x{next(_numbers)}"


class Task(SinkTask):
    """One task of the view."""

    sink: ElasticsearchSink

    def __init__(self, values: Values, *partitions: TopicPartition, **options: Any) -> None:
        super().__init__(ElasticsearchSink(), values, *partitions, **options)

    def __enter__(self) -> Task:
        return self


def generations(values: Values, view: str) -> ElasticsearchGenerations:
    return ElasticsearchGenerations(values, view)
