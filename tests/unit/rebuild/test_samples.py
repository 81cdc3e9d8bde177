"""Which record of a topic a new generation is made from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headwater.worker.log import Log, Message, open_log
from headwater.worker.rebuild import samples
from headwater.worker.rebuild.view_pipeline import ViewPipeline

SETTINGS = {
    "key.converter": "StringConverter",
    "value.converter": "JsonConverter",
    "value.converter.schemas.enable": "false",
}
VIEW = {
    "name": "search",
    "connector.class": "ElasticsearchSink",
    "connection.url": "http://127.0.0.1:9",  # nobody is asked
    "topics": "items",
}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with closing(open_log(SETTINGS, tmp_path)) as log:
        log.create_topic("items", 1, {})
        yield log


def send(log: Log, *keys: str | None) -> None:
    with closing(log.producer()) as producer:
        producer.send([Message("items", None if key is None else key.encode(), b'{"id": 1}') for key in keys])
        producer.flush()


def offset_of_sample(log: Log, tolerance: str) -> int | None:
    with closing(ViewPipeline("search", {**VIEW, "errors.tolerance": tolerance}, SETTINGS)) as pipeline:
        found = samples.newest_samples(log, pipeline)
        return found["items"].message.offset if found else None


def test_a_bad_newest_record_is_passed_over_where_bad_records_are_tolerated(log: Log) -> None:
    send(log, "a", "b", None)
    assert offset_of_sample(log, "all") == 1
    assert offset_of_sample(log, "none") == 2


def test_a_topic_of_bad_records_alone_gives_none_and_is_not_read_whole(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "REFUSED_AT_MOST", 3)
    send(log, "a", *[None] * 200)
    assert offset_of_sample(log, "all") is None
    send(log, "b")
    assert offset_of_sample(log, "all") == 201


def test_one_topic_may_lead_to_several(log: Log) -> None:
    send(log, "a")
    with closing(log.producer()) as producer:
        producer.send([Message("items", b"b", b'{"id": 2}', [("other", b"")])])
        producer.flush()
    routed = {
        "transforms": "route",
        "transforms.route.type": "RegexRouter",
        "transforms.route.regex": "items",
        "transforms.route.replacement": "others",
        "transforms.route.predicate": "other",
        "predicates": "other",
        "predicates.other.type": "HasHeaderKey",
        "predicates.other.name": "other",
    }
    for tolerance in ("none", "all"):
        with closing(ViewPipeline("search", {**VIEW, **routed, "errors.tolerance": tolerance}, SETTINGS)) as pipeline:
            found = samples.newest_samples(log, pipeline)
        assert {topic: sample.message.offset for topic, sample in found.items()} == {"items": 0, "others": 1}
